package io.github.saspart.flink.jobs;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.type.TypeReference;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.DeserializationFeature;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/**
 * The arguments of a job: {@code --conf} with base64url of JSON, or {@code --conf-file} with the path of
 * JSON. Single settings by their path ({@code --workers 8}, {@code --source.kind drift}) override the
 * file. Strings need no quotes.
 */
public final class Arguments {
    private static final ObjectMapper JSON = new ObjectMapper()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final TypeReference<LinkedHashMap<String, Object>> TREE = new TypeReference<LinkedHashMap<String, Object>>() {};

    private Arguments() {}

    /**
     * Reads the arguments of a job.
     *
     * @param task the default task
     * @throws IllegalArgumentException naming each wrong argument and its possible values
     */
    public static JobConfig parse(String[] args, String task) {
        return JobConfig.of(tree(args), task);
    }

    private static Map<String, Object> tree(String[] args) {
        Map<String, Object> tree = new LinkedHashMap<>();
        for (int i = 0; i < args.length; i += 2) {
            if (!args[i].startsWith("--") || args[i].length() == 2) {
                throw new IllegalArgumentException("argument \"" + args[i] + "\" is no flag; flags are --conf, --conf-file, and settings such as --workers");
            }
            if (i + 1 == args.length) {
                throw new IllegalArgumentException(args[i] + ": has no value; write " + args[i] + " VALUE");
            }
            String name = args[i].substring(2);
            String value = args[i + 1];
            if (name.equals("conf")) {
                putAll(tree, decoded(value), "--conf");
            } else if (name.equals("conf-file")) {
                putAll(tree, read(value), "--conf-file " + value);
            }
        }
        for (int i = 0; i < args.length; i += 2) {
            String name = args[i].substring(2);
            if (!name.equals("conf") && !name.equals("conf-file")) {
                set(tree, name, args[i + 1]);
            }
        }
        return tree;
    }

    private static String decoded(String value) {
        try {
            return new String(Base64.getUrlDecoder().decode(value), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("--conf: is not base64url (" + e.getMessage() + "); encode the JSON, or name a file with --conf-file", e);
        }
    }

    private static String read(String path) {
        try {
            return Files.readString(Paths.get(path));
        } catch (IOException e) {
            throw new IllegalArgumentException("--conf-file " + path + ": cannot be read (" + e + "); give the path of a JSON file on the JobManager", e);
        }
    }

    private static void putAll(Map<String, Object> tree, String json, String from) {
        try {
            tree.putAll(JSON.readValue(json, TREE));
        } catch (JsonProcessingException e) {
            String at = e.getLocation() == null ? "" : " at line " + e.getLocation().getLineNr() + ", column " + e.getLocation().getColumnNr();
            throw new IllegalArgumentException(from + ": is not a JSON object" + at + ": " + e.getOriginalMessage(), e);
        }
    }

    /** Sets the value at a dotted path. */
    @SuppressWarnings("unchecked") // keys of JSON objects are strings
    private static void set(Map<String, Object> tree, String path, String value) {
        int dot = path.indexOf('.');
        if (dot < 0) {
            tree.put(path, scalar(value));
            return;
        }
        Object below = tree.computeIfAbsent(path.substring(0, dot), name -> new LinkedHashMap<String, Object>());
        if (!(below instanceof Map)) {
            throw new IllegalArgumentException("--" + path + ": " + path.substring(0, dot) + " is no group of settings");
        }
        set((Map<String, Object>) below, path.substring(dot + 1), value);
    }

    /** A value as JSON would have it, and what is no JSON as a text. */
    private static Object scalar(String value) {
        try {
            return JSON.readValue(value, Object.class);
        } catch (JsonProcessingException e) {
            return value;
        }
    }
}
