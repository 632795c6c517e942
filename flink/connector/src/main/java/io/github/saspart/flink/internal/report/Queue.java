package io.github.saspart.flink.internal.report;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.execution.Environment;
import org.apache.flink.runtime.io.network.partition.consumer.InputGate;

/** How full the buffers in front of a task are. */
public final class Queue {
    // Settings of Flink 1; Flink 2 always has what is the default here.
    private static final ConfigOption<Integer> PER_CHANNEL =
            ConfigOptions.key("taskmanager.network.memory.buffers-per-channel").intType().defaultValue(2);
    private static final ConfigOption<Integer> PER_GATE =
            ConfigOptions.key("taskmanager.network.memory.floating-buffers-per-gate").intType().defaultValue(8);

    private final InputGate[] gates;
    private final double room; // buffers

    public Queue(Environment environment) {
        gates = environment.getAllInputGates();
        Configuration settings = environment.getTaskManagerInfo().getConfiguration();
        int each = settings.get(PER_CHANNEL);
        int shared = settings.get(PER_GATE);
        int buffers = 0;
        for (InputGate gate : gates) {
            buffers += gate.getNumberOfInputChannels() * each + shared;
        }
        room = Math.max(1, buffers);
    }

    /** From 0 to 1; Flink counts without locks, so it may be a little off. */
    public double fill() {
        int queued = 0;
        for (InputGate gate : gates) {
            for (int i = 0; i < gate.getNumberOfInputChannels(); i++) {
                queued += gate.getChannel(i).unsynchronizedGetNumberOfQueuedBuffers();
            }
        }
        return Math.min(1, queued / room);
    }
}
