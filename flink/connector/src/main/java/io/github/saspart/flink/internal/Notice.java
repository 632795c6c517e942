package io.github.saspart.flink.internal;

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
final class Notice {
    /** Of the run since the last restore: what was in flight before it has another. */
    final long incarnation;
    /** Who tells. */
    final int subtask;
    /** How many have to tell. */
    final int subtasks;
    /** The first slide that the subtask tells of in this incarnation. */
    final long from;
    /** The last slide of which all is told. */
    final long through;
    /** The subtask has no records until it says otherwise. */
    final boolean idle;
    /** The first slide that had not ended before. */
    final long since;
    /** The map of slides from {@link #since} up to the first of {@link #slides}. */
    final long map;
    /** Slides with records, ascending. */
    final List<Slide> slides;

    Notice(long incarnation, int subtask, int subtasks, long from, long through, boolean idle, long since, long map, List<Slide> slides) {
        this.incarnation = incarnation;
        this.subtask = subtask;
        this.subtasks = subtasks;
        this.from = from;
        this.through = through;
        this.idle = idle;
        this.since = since;
        this.map = map;
        this.slides = slides;
    }

    /** What is told of one slide. */
    static final class Slide {
        final long slide;
        final long map;
        final boolean all;
        final List<Moves> moves;
        final long[] split;

        private Slide(long slide, long map, boolean all, List<Moves> moves, long[] split) {
            this.slide = slide;
            this.map = map;
            this.all = all;
            this.moves = moves;
            this.split = split;
        }

        static Slide of(SlideLog log) {
            boolean all = log.all();
            return new Slide(
                    log.slide, log.map.id(), all,
                    all ? List.of() : log.moves,
                    all ? new long[0] : log.split().toArray());
        }
    }

    byte[] encode() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeLong(incarnation);
            out.writeInt(subtask);
            out.writeInt(subtasks);
            out.writeLong(from);
            out.writeLong(through);
            out.writeBoolean(idle);
            out.writeLong(since);
            out.writeLong(map);
            out.writeInt(slides.size());
            for (Slide s : slides) {
                out.writeLong(s.slide);
                out.writeLong(s.map);
                out.writeBoolean(s.all);
                out.writeInt(s.moves.size());
                for (Moves m : s.moves) {
                    m.write(out);
                }
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

    static Notice decode(byte[] bytes) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            long incarnation = in.readLong();
            int subtask = in.readInt();
            int subtasks = in.readInt();
            long from = in.readLong();
            long through = in.readLong();
            boolean idle = in.readBoolean();
            long since = in.readLong();
            long map = in.readLong();
            List<Slide> slides = new ArrayList<>();
            for (int n = in.readInt(); n > 0; n--) {
                slides.add(readSlide(in));
            }
            return new Notice(incarnation, subtask, subtasks, from, through, idle, since, map, slides);
        } catch (IOException e) {
            throw new UncheckedIOException("a notice between partitioner and worker is cut short", e);
        }
    }

    private static Slide readSlide(DataInputStream in) throws IOException {
        long slide = in.readLong();
        long map = in.readLong();
        boolean all = in.readBoolean();
        List<Moves> moves = new ArrayList<>();
        for (int n = in.readInt(); n > 0; n--) {
            moves.add(Moves.read(in));
        }
        long[] split = new long[in.readInt()];
        for (int i = 0; i < split.length; i++) {
            split[i] = in.readLong();
        }
        return new Slide(slide, map, all, moves, split);
    }
}
