package io.github.saspart.flink.jobs.source;

import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads CSV (RFC 4180) row by row. Bytes are not decoded: each is a character of the fields' strings, from
 * 0 to 255. Empty lines are no rows; CR LF is read as LF, within quotes too.
 */
final class CsvReader implements Closeable {
    private static final int END = -1;

    private final InputStream in;
    private final int delimiter;
    private final int comment; // 0: none
    private final List<String> fields = new ArrayList<>();
    private final StringBuilder field = new StringBuilder();
    private int peeked = END;
    private boolean hasPeeked;
    private long line = 1; // of the next byte
    private long rowLine; // where the row began

    CsvReader(InputStream in, char delimiter, char comment) {
        this.in = new BufferedInputStream(in, 1 << 16);
        this.delimiter = delimiter;
        this.comment = comment;
    }

    /** A row that is no CSV; the rows after it can be read. */
    static final class BadRow extends Exception {
        private static final long serialVersionUID = 1;

        BadRow(String message) {
            super(message);
        }
    }

    /** The fields of the next row, valid until the next call; null after the last. */
    List<String> next() throws IOException, BadRow {
        while (peek() == '\n' || comment != 0 && peek() == comment) {
            while (peek() != '\n' && peek() != END) {
                take();
            }
            take();
        }
        if (peek() == END) {
            return null;
        }
        rowLine = line;
        fields.clear();
        do {
            readField();
        } while (take() == delimiter);
        return fields;
    }

    /** The line that the last row began in, from 1. */
    long line() {
        return rowLine;
    }

    /** Reads a field, up to the delimiter or the end of the row after it. */
    private void readField() throws IOException, BadRow {
        field.setLength(0);
        if (peek() == '"') {
            readQuoted();
        } else {
            while (!atEndOfField()) {
                int c = take();
                if (c == '"') {
                    throw bad("there is a quote in a field without quotes around it");
                }
                field.append((char) c);
            }
        }
        fields.add(field.toString());
    }

    private void readQuoted() throws IOException, BadRow {
        take();
        for (;;) {
            int c = take();
            if (c == END) {
                throw bad("the file ends within quotes");
            }
            if (c != '"') {
                field.append((char) c);
            } else if (peek() == '"') {
                field.append((char) take());
            } else if (atEndOfField()) {
                return;
            } else {
                throw bad("there is text after a closing quote; a quote within quotes is written twice");
            }
        }
    }

    private boolean atEndOfField() throws IOException {
        int c = peek();
        return c == delimiter || c == '\n' || c == END;
    }

    /** Skips the rest of the line. */
    private BadRow bad(String problem) throws IOException {
        while (peek() != '\n' && peek() != END) {
            take();
        }
        return new BadRow("line " + rowLine + ": " + problem);
    }

    private int peek() throws IOException {
        if (!hasPeeked) {
            peeked = in.read();
            if (peeked == '\r') {
                in.mark(1);
                if (in.read() == '\n') {
                    peeked = '\n';
                } else {
                    in.reset();
                }
            }
            hasPeeked = true;
        }
        return peeked;
    }

    private int take() throws IOException {
        int c = peek();
        hasPeeked = c == END; // the end stays
        if (c == '\n') {
            line++;
        }
        return c;
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
