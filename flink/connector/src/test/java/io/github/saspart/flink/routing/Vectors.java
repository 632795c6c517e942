package io.github.saspart.flink.routing;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** The vectors in testdata/routing that the Go module's tests write. */
final class Vectors {
    private static final Path DIR = Paths.get("..", "..", "testdata", "routing");
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, Stream> streams = new HashMap<>();
    private final Map<String, Route> routes = new HashMap<>();

    Vectors() throws IOException {
        read("streams.json.gz").fields().forEachRemaining(f -> streams.put(f.getKey(), new Stream(f.getValue())));
        read("routes.json.gz").fields().forEachRemaining(f -> routes.put(f.getKey(), route(f.getKey(), f.getValue())));
    }

    /** What a file of vectors holds. */
    static JsonNode read(String name) throws IOException {
        try (InputStream in = Files.newInputStream(DIR.resolve(name));
                InputStream text = name.endsWith(".gz") ? new GZIPInputStream(in) : in) {
            return JSON.readTree(text);
        }
    }

    /** A hash as the vectors write it. */
    static long hash(JsonNode hex) {
        return Long.parseUnsignedLong(hex.asText(), 16);
    }

    /** A list of numbers. */
    static double[] reals(JsonNode list) {
        return JSON.convertValue(list, double[].class);
    }

    /** The cases of a partitioner. */
    static List<JsonNode> cases(String partitioner) throws IOException {
        List<JsonNode> cases = new ArrayList<>();
        read(partitioner + ".json").forEach(cases::add);
        return cases;
    }

    /** The options of a case, as a parser hands them out. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> tree(JsonNode options) {
        return JSON.convertValue(options, Map.class);
    }

    Stream stream(String name) {
        return streams.get(name);
    }

    Route route(String name) {
        return routes.get(name);
    }

    private static Route route(String name, JsonNode r) {
        List<Route.Key> keys = new ArrayList<>();
        for (JsonNode k : r.get("keys")) {
            keys.add(new Route.Key(
                    hash(k.get("hash")), JSON.convertValue(k.get("workers"), int[].class), reals(k.get("shares"))));
        }
        int workers = Integer.parseInt(name.substring(0, name.indexOf('/')));
        return new Route(r.get("version").asLong(), workers, keys, JSON.convertValue(r.get("slots"), int[].class));
    }

    /** Records, as indices into keys. */
    static final class Stream {
        final List<byte[]> names = new ArrayList<>(); // empty bytes where the stream has only hashes
        final long[] hashes;
        final int[][][] steps; // by step and subtask

        private Stream(JsonNode s) {
            hashes = new long[s.get("hashes").size()];
            for (int i = 0; i < hashes.length; i++) {
                hashes[i] = hash(s.get("hashes").get(i));
                boolean named = s.has("keys");
                names.add(named ? Base64.getDecoder().decode(s.get("keys").get(i).asText()) : new byte[0]);
            }
            steps = JSON.convertValue(s.get("steps"), int[][][].class);
        }
    }
}
