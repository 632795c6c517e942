package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** {@link Settings}, {@link Options}, {@link Env} and {@link Routers}. */
class SettingsTest {
    private static String refusal(Map<String, ?> tree) {
        return assertThrows(IllegalArgumentException.class, () -> Options.of(tree)).getMessage();
    }

    @Test
    void whatIsWrongIsToldByItsPath() {
        Map<Map<String, ?>, String> rows = new LinkedHashMap<>();
        rows.put(
                Map.of("name", "wchoises"),
                "name: is \"wchoises\", which is no partitioner here; did you mean \"wchoices\"?");
        rows.put(
                Map.of("name", ""),
                "name: is \"\", which is no partitioner here");
        rows.put(
                Map.of("name", 7),
                "name: is 7; it must be a text");
        rows.put(
                Map.of("publised", true),
                "publised: is no setting; did you mean \"published\"?");
        rows.put(
                Map.of("published", "yes"),
                "published: is yes; it must be true or false");
        rows.put(
                Map.of("choices", Map.of("head", Double.NaN)),
                "choices.head: is NaN; it must be from 0.001 to 1000000.0");
        rows.put(
                Map.of("choices", Map.of("counters", 1.5)),
                "choices.counters: is 1.5; it must be a whole number from 0");
        rows.put(
                Map.of("choices", Map.of("counters", BigInteger.ONE.shiftLeft(70))),
                "it must be a whole number");
        rows.put(
                Map.of("choices", 3),
                "choices: is 3; it must be a group of settings");
        rows.put(
                Map.of("flexd", Map.of("refresh", "0s")),
                "flexd.refresh: is \"0s\"; it must be a length of time above 0");
        rows.put(
                Map.of("flexd", Map.of("refresh", "5 s")),
                "flexd.refresh: is \"5 s\"");
        rows.put(
                Map.of("dalton", Map.of("split_min", 7)),
                "dalton.split_max: is 6; it must be a whole number from 7");
        rows.put(
                Map.of("dalton_offline", Map.of("keys", List.of("a", 1))),
                "dalton_offline.keys: holds 1; it must be a list of texts");
        rows.put(
                Map.of("dalton_offline", Map.of("keys", List.of("a", "a"))),
                "dalton_offline.keys[1]: is \"a\", which is in the list");
        rows.put(
                Map.of("dalton_offline", Map.of("hot_keys", 2000)),
                "dalton_offline.counters: is 1024, below hot_keys, 2000");
        rows.put(
                Map.of("dalton_offline", Map.of("mask", Map.of("true", 1))),
                "dalton_offline.mask.true: is no setting; did you mean \"true_hot\"?");
        rows.forEach((tree, says) -> assertTrue(refusal(tree).contains(says), refusal(tree)));
    }

    @Test
    void everythingWrongIsToldAtOnce() {
        String all = refusal(Map.of("name", "x", "size", 1, "dagreedy", Map.of("affinity", 2, "divisor", 0)));
        assertEquals(4, all.split("\n").length, all);
    }

    @Test
    void aNullIsNoValue() {
        Map<String, Object> tree = new HashMap<>();
        tree.put("published", null);
        assertTrue(refusal(tree).contains("published: is null; it must be true or false"));
    }

    @Test
    void optionsAreRead() {
        Options o = Options.of(Map.of(
                "name", "flexd", "published", true,
                "choices", Map.of("head", 2, "epsilon", 1e-3), // as JSON has them: no point
                "flexd", Map.of("refresh", "1m30.5s", "settle", 5.0),
                "dalton_offline", Map.of("keys", List.of("b", "a"), "mask", Map.of("spread", 3)),
                "waterfill", Map.of("whatever", "the server reads")));
        assertEquals("flexd", o.name);
        assertTrue(o.published);
        assertEquals(2, o.choices.head);
        assertEquals(90_500_000_000L, o.flexD.refreshNanos);
        assertEquals(5, o.flexD.settle);
        assertEquals(List.of("b", "a"), o.daltonOffline.keys);
        assertEquals(3, o.daltonOffline.mask.spread);
        assertEquals(0.5, o.daGreedy.affinity);
    }

    @Test
    void lengthsOfTimeAreWrittenAsInGo() {
        Map<String, Long> rows = Map.of(
                "1h", 3600_000_000_000L, "1m0s", 60_000_000_000L, "250ms", 250_000_000L,
                "1.5µs", 1500L, "7us", 7000L, "3ns", 3L);
        rows.forEach((text, nanos) ->
                assertEquals(Duration.ofNanos(nanos), Settings.of(Map.of("d", text)).duration("d", null), text));
    }

    @Test
    void listsAndTheirDefaults() {
        Settings s = Settings.of(Map.of("speeds", Arrays.asList(1, 0.5)));
        assertArrayEquals(new double[] {1, 0.5}, s.reals("speeds"));
        assertEquals(0, s.reals("others").length);
        s.finish();
    }

    @Test
    void anEnvRefusesWhatNoJobHas() {
        String says = assertThrows(IllegalArgumentException.class, () -> new Env(0, 0, 1, 1, 1, 1, 0)).getMessage();
        assertEquals("workers: is 0; it must be from 1 to 32768", says);
        assertThrows(IllegalArgumentException.class, () -> new Env(1, 1, 1, 1, 1, 1, 0), "no such subtask");
        assertThrows(IllegalArgumentException.class, () -> new Env(1, 0, 1, 0, 1, 1, 0), "slides without length");
        assertThrows(IllegalArgumentException.class, () -> new Env(1, 0, 1, 1, 0, 1, 0), "windows without slides");
    }

    @Test
    void routersOfPoliciesOfTheServerAreTables() {
        for (String name : List.of("table", "waterfill", "saspartitioner")) {
            Router r = Routers.create(Options.of(name), Feed.env(4));
            assertInstanceOf(Follower.class, r);
            assertInstanceOf(Unattended.class, r);
        }
    }
}
