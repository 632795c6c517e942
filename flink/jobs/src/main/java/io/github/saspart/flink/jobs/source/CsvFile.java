package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.routing.Names;
import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** A pass through a CSV file, plain or gzipped, of which some columns are wanted. */
final class CsvFile implements Closeable {
    private static final int SNIFFED = 512; // bytes from which the format is detected
    private static final BigInteger LEAST = BigInteger.ONE.shiftLeft(63).negate();
    private static final BigInteger LIMIT = BigInteger.ONE.shiftLeft(64);
    private static final double[] NO_VALUES = {};

    private final FileConfig config;
    private final CsvReader reader;
    private final int columns;
    private final int key;
    private final int text; // -1: no sentences
    private final int[] numbers;
    private List<String> first; // a row that was read as the header and is none; null: there is none, or it was given

    /** What a source takes from a row. */
    static final class Row {
        final byte[] key;
        final String text;
        final double[] values;

        private Row(byte[] key, String text, double[] values) {
            this.key = key;
            this.text = text;
            this.values = values;
        }
    }

    /** Opens the file and reads its header line. */
    CsvFile(FileConfig config, Payload payload) throws IOException {
        this.config = config;
        reader = new CsvReader(open(), config.delimiter, config.comment);
        try {
            List<String> header = reader.next();
            if (header == null) {
                throw error("is empty; at least a header line and a row are needed");
            }
            // Spreadsheets write a byte order mark.
            header.set(0, header.get(0).replaceFirst("^\u00ef\u00bb\u00bf", ""));
            if (config.header) {
                header.replaceAll(name -> new String(bytes(name), StandardCharsets.UTF_8));
            }
            if (!config.header) {
                first = List.copyOf(header);
                for (int i = 0; i < header.size(); i++) {
                    header.set(i, String.valueOf(i + 1));
                }
            }
            columns = header.size();
            key = column(header, config.key);
            text = payload == Payload.TEXT && !config.payload.isEmpty() ? column(header, config.payload.get(0)) : -1;
            numbers = new int[payload == Payload.VALUES ? config.payload.size() : 0];
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] = column(header, config.payload.get(i));
            }
        } catch (CsvReader.BadRow bad) {
            close();
            throw error("header: " + bad.getMessage());
        } catch (IOException e) {
            close();
            throw explained(e);
        }
    }

    /**
     * The next row.
     *
     * @param wanted false to step over it: what is returned has no contents
     * @return null after the last
     * @throws CsvReader.BadRow for a row that can be left out
     */
    Row next(boolean wanted) throws IOException, CsvReader.BadRow {
        List<String> fields = first;
        first = null;
        try {
            fields = fields == null ? reader.next() : fields;
        } catch (IOException e) {
            throw explained(e);
        }
        if (fields == null) {
            return null;
        }
        if (fields.size() != columns) {
            throw new CsvReader.BadRow("line " + reader.line() + ": " + fields.size() + " fields where the header has " + columns);
        }
        if (!wanted) {
            return new Row(null, "", NO_VALUES);
        }
        if (!config.splitsWords && fields.get(key).isEmpty()) {
            throw bad(config.key, "is empty, as a missing value is written");
        }
        byte[] name = bytes(config.integerKeys ? integer(fields.get(key)) : fields.get(key));
        String sentence = text < 0 ? "" : new String(bytes(fields.get(text)), StandardCharsets.UTF_8);
        double[] values = numbers.length == 0 ? NO_VALUES : new double[numbers.length];
        for (int i = 0; i < numbers.length; i++) {
            values[i] = number(fields.get(numbers[i]), config.payload.get(i));
        }
        return new Row(name, sentence, values);
    }

    /** An error of this file. */
    IOException error(String problem) {
        return new IOException("source: " + config.path + ": " + problem);
    }

    @Override
    public void close() throws IOException {
        reader.close();
    }

    private InputStream open() throws IOException {
        Path path = Paths.get(config.path);
        if (!Files.isRegularFile(path)) {
            throw error(Files.exists(path)
                    ? "is not a regular file, and reading it again or in shares takes one; save the data to a file"
                    : "no such file on this TaskManager; give a path that is there on every one");
        }
        InputStream in = new BufferedInputStream(Files.newInputStream(path), 1 << 16);
        try {
            byte[] head = sniff(in);
            if (head.length > 1 && head[0] == 0x1f && head[1] == (byte) 0x8b) {
                in = new BufferedInputStream(new GZIPInputStream(in, 1 << 16), 1 << 16);
                head = sniff(in);
            }
            String magic = new String(head, StandardCharsets.ISO_8859_1);
            if (magic.startsWith("ARROW1") || magic.startsWith("\u00ff\u00ff\u00ff\u00ff") || magic.startsWith("PAR1")) {
                throw error("is Arrow or Parquet, which jobs on Flink do not read; convert it to CSV");
            }
            if (magic.startsWith("\u0028\u00b5\u002f\u00fd") || magic.startsWith("BZh") || magic.startsWith("\u00fd7zXZ")) {
                throw error("is compressed with zstd, bzip2 or xz, which jobs on Flink do not read; compress it with gzip");
            }
            if (magic.stripLeading().startsWith("{")) {
                throw error("is JSON, which jobs on Flink do not read; convert it to CSV");
            }
            if (magic.indexOf(0) >= 0) {
                throw error("is binary; convert it to CSV");
            }
            return in;
        } catch (IOException e) {
            in.close();
            throw explained(e);
        }
    }

    private static byte[] sniff(InputStream in) throws IOException {
        in.mark(SNIFFED);
        byte[] head = in.readNBytes(SNIFFED);
        in.reset();
        return head;
    }

    /** Says what to do about gzip data that cannot be unzipped. */
    private IOException explained(IOException e) {
        if (e instanceof EOFException) {
            return error("the gzip data end early: the file is truncated; copy or download it again");
        }
        return e instanceof ZipException
                ? error("the gzip data are damaged (" + e.getMessage() + "); copy or download the file again") : e;
    }

    private int column(List<String> header, String name) throws IOException {
        int i = header.indexOf(name);
        if (i < 0) {
            throw error("no column \"" + name + "\"; " + Names.explain(name, header));
        }
        if (header.lastIndexOf(name) != i) {
            throw error("column \"" + name + "\" is there more than once; rename all but one");
        }
        return i;
    }

    /** Rewrites a whole number in decimal without leading zeros or plus. */
    private String integer(String field) throws CsvReader.BadRow {
        try {
            BigInteger v = new BigInteger(field.strip());
            if (v.compareTo(LEAST) >= 0 && v.compareTo(LIMIT) < 0) {
                return v.toString();
            }
        } catch (NumberFormatException e) {
            // told below
        }
        throw bad(config.key, "\"" + clip(field) + "\" is not a whole number of 64 bits, which key_type: integer asks for");
    }

    private double number(String field, String column) throws CsvReader.BadRow {
        double v;
        try {
            v = Double.parseDouble(field.strip());
        } catch (NumberFormatException e) {
            throw bad(column, "\"" + clip(field) + "\" is not a number");
        }
        if (Double.isNaN(v) || Double.isInfinite(v)) {
            throw bad(column, v + " is not a finite number");
        }
        return v;
    }

    private CsvReader.BadRow bad(String column, String problem) {
        return new CsvReader.BadRow("line " + reader.line() + ", column \"" + column + "\": " + problem);
    }

    private static String clip(String field) {
        return field.length() > 40 ? field.substring(0, 40) + "..." : field;
    }

    private static byte[] bytes(String field) {
        return field.getBytes(StandardCharsets.ISO_8859_1);
    }
}
