package io.github.saspart.flink.jobs.source;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;

/**
 * The rows of a CSV file as the records of a split: of S splits, split s takes the rows s, s+S, .... A
 * position is a number of rows, which are read again to come back to it.
 */
final class FileRecords implements Records {
    private final FileConfig config;
    private final Payload payload;
    private final int split;
    private final int splits;

    private CsvFile file;
    private long read; // rows read in this pass through the file
    private boolean gave; // this pass yielded a record
    private String firstBad; // of the rows left out

    private CsvFile.Row row; // the latest of this split's
    private final ArrayDeque<byte[]> words = new ArrayDeque<>(); // of its key, still to come
    private int given; // words of it that have come

    FileRecords(FileConfig config, Payload payload, int split, int splits) throws IOException {
        this.config = config;
        this.payload = payload;
        this.split = split;
        this.splits = splits;
        file = new CsvFile(config, payload);
    }

    @Override
    public Event next(long offset) throws IOException {
        while (words.isEmpty()) {
            if (!nextRow()) {
                return null;
            }
            if (!config.splitsWords) {
                gave = true;
                return new Event(row.key, row.text, row.values);
            }
            splitKey();
        }
        gave = true;
        given++;
        byte[] word = words.remove();
        boolean wordIsSentence = payload == Payload.TEXT && config.payload.isEmpty();
        return new Event(word, wordIsSentence ? new String(word, StandardCharsets.UTF_8) : row.text, row.values);
    }

    private void splitKey() {
        given = 0;
        Words scan = new Words(new String(row.key, StandardCharsets.UTF_8));
        for (String word = scan.next(); word != null; word = scan.next()) {
            words.add(word.getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Goes to this split's next good row, starting again at the end of a looped file. */
    private boolean nextRow() throws IOException {
        for (;;) {
            boolean mine = read % splits == split;
            try {
                row = file.next(mine);
            } catch (CsvReader.BadRow bad) {
                read++;
                if (mine) {
                    leaveOut(bad);
                }
                continue;
            }
            if (row != null) {
                read++;
                if (mine) {
                    return true;
                }
            } else if (!startAgain()) {
                return false;
            }
        }
    }

    private void leaveOut(CsvReader.BadRow bad) throws IOException {
        if (!config.skipsBadRows) {
            throw file.error(bad.getMessage() + "; fix the row, or skip such rows with on_bad_row: skip");
        }
        if (firstBad == null) {
            firstBad = bad.getMessage();
        }
    }

    /** Decides what comes after the last row: whether there is another pass. */
    private boolean startAgain() throws IOException {
        if (read == 0) {
            throw file.error("has no rows; at least one is needed");
        }
        if (read <= split) {
            return false; // fewer rows than splits
        }
        if (!gave && firstBad != null) {
            throw file.error("none of the " + read + " rows can be used; the first bad one: " + firstBad);
        }
        if (!gave) {
            throw file.error("column \"" + config.key + "\": there is no word in any of the rows");
        }
        if (!config.loop) {
            return false;
        }
        rewind();
        return true;
    }

    private void rewind() throws IOException {
        file.close();
        file = new CsvFile(config, payload);
        read = 0;
        gave = false;
    }

    @Override
    public void save(DataOutput out) throws IOException {
        out.writeLong(words.isEmpty() ? read : read - 1);
        out.writeInt(words.isEmpty() ? 0 : given);
        out.writeBoolean(gave);
    }

    @Override
    public void restore(DataInput in) throws IOException {
        rewind();
        words.clear();
        for (long rows = in.readLong(); read < rows; read++) {
            try {
                if (file.next(false) == null) {
                    throw file.error("has fewer rows than the job had read when its state was saved; restore with the same file");
                }
            } catch (CsvReader.BadRow bad) {
                continue; // it was left out before
            }
        }
        int had = in.readInt();
        gave = in.readBoolean();
        if (had > 0 && nextRow()) {
            splitKey();
            for (; given < had; given++) {
                words.remove();
            }
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
