package io.github.saspart.flink.internal.split;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/**
 * What a partitioner subtask tells every worker about slides that it has ended, among the records and
 * before the watermark that ends them.
 */
public final class Notice {
    /** Of the run since the last restore: what was in flight before it has another. */
    final long incarnation;
    /** Who tells. */
    final int subtask;
    /** How many have to tell. */
    final int subtasks;
    /** The first slide that the subtask tells of in this incarnation. */
    final long from;
    /** The last slide that is complete. */
    final long through;
    /** The subtask has no records until it says otherwise. */
    final boolean idle;
    /** The map that the subtask went by first in this incarnation. */
    final long first;
    /** Its changes of maps that the slides up to {@link #through} had records by, ascending. */
    final List<Change> changes;
    /** Slides with keys that may have been at several workers, ascending. */
    final List<Slide> slides;

    Notice(
            long incarnation, int subtask, int subtasks, long from, long through, boolean idle,
            long first, List<Change> changes, List<Slide> slides) {
        this.incarnation = incarnation;
        this.subtask = subtask;
        this.subtasks = subtasks;
        this.from = from;
        this.through = through;
        this.idle = idle;
        this.first = first;
        this.changes = changes;
        this.slides = slides;
    }

    /** The notice of one slide. */
    static final class Slide {
        final long slide;
        final boolean all;
        final long[] split;

        private Slide(long slide, boolean all, long[] split) {
            this.slide = slide;
            this.all = all;
            this.split = split;
        }

        static Slide of(SlideLog log) {
            return new Slide(log.slide, log.all(), log.all() ? new long[0] : log.split().toArray());
        }
    }

    /** As it is sent. */
    public byte[] encode() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeLong(incarnation);
            out.writeInt(subtask);
            out.writeInt(subtasks);
            out.writeLong(from);
            out.writeLong(through);
            out.writeBoolean(idle);
            out.writeLong(first);
            out.writeInt(changes.size());
            for (Change c : changes) {
                c.write(out);
            }
            out.writeInt(slides.size());
            for (Slide s : slides) {
                out.writeLong(s.slide);
                out.writeBoolean(s.all);
                out.writeInt(s.split.length);
                for (long hash : s.split) {
                    out.writeLong(hash);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("writing to memory", e);
        }
        return bytes.toByteArray();
    }

    /** What {@link #encode} made. */
    public static Notice decode(byte[] bytes) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            long incarnation = in.readLong();
            int subtask = in.readInt();
            int subtasks = in.readInt();
            long from = in.readLong();
            long through = in.readLong();
            boolean idle = in.readBoolean();
            long first = in.readLong();
            List<Change> changes = new ArrayList<>();
            for (int n = in.readInt(); n > 0; n--) {
                changes.add(Change.read(in));
            }
            List<Slide> slides = new ArrayList<>();
            for (int n = in.readInt(); n > 0; n--) {
                slides.add(readSlide(in));
            }
            return new Notice(incarnation, subtask, subtasks, from, through, idle, first, changes, slides);
        } catch (IOException e) {
            throw new UncheckedIOException("a notice between partitioner and worker is cut short", e);
        }
    }

    private static Slide readSlide(DataInputStream in) throws IOException {
        long slide = in.readLong();
        boolean all = in.readBoolean();
        long[] split = new long[in.readInt()];
        for (int i = 0; i < split.length; i++) {
            split[i] = in.readLong();
        }
        return new Slide(slide, all, split);
    }
}
