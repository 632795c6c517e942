package io.github.saspart.flink.routing;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads a tree of settings, as JSON and YAML parse to: maps of strings, numbers, booleans, lists and
 * further maps. Nothing is guessed: a value of another kind, out of bounds or of an unknown name is
 * an error. Errors are gathered, so that {@link #finish} tells all of them at once by their paths.
 */
public final class Settings {
    private static final Pattern PART = Pattern.compile("([0-9]+(?:\\.[0-9]+)?)(ns|us|µs|ms|s|m|h)");

    private final String path;
    private final Map<String, Object> tree;
    private final Set<String> known = new LinkedHashSet<>();
    private final Map<String, Settings> sections = new LinkedHashMap<>();
    private final List<String> problems;

    private Settings(String path, Map<?, ?> tree, List<String> problems) {
        this.path = path;
        this.tree = new LinkedHashMap<>();
        tree.forEach((name, value) -> this.tree.put(String.valueOf(name), value));
        this.problems = problems;
    }

    /** The settings of this tree, whose paths start at its root. */
    public static Settings of(Map<String, ?> tree) {
        return new Settings("", tree, new ArrayList<>());
    }

    /** Whether a setting of this name is there. */
    public boolean has(String name) {
        known.add(name);
        return tree.containsKey(name);
    }

    /** The settings below {@code name}; none of them if it isn't there. */
    public Settings section(String name) {
        known.add(name);
        return sections.computeIfAbsent(name, n -> {
            Object value = tree.getOrDefault(n, Map.of());
            if (!(value instanceof Map)) {
                problem(n, "is " + value + "; it must be a group of settings");
                value = Map.of();
            }
            return new Settings(at(n) + ".", (Map<?, ?>) value, problems);
        });
    }

    /** A text, {@code otherwise} if it isn't there. */
    public String text(String name, String otherwise) {
        return value(name, String.class, otherwise, "a text");
    }

    /** True or false, {@code otherwise} if it isn't there. */
    public boolean flag(String name, boolean otherwise) {
        return value(name, Boolean.class, otherwise, "true or false");
    }

    /** A number within bounds, {@code otherwise} if it isn't there. */
    public double real(String name, double otherwise, double lowest, double highest) {
        double v = value(name, Number.class, otherwise, "a number").doubleValue();
        if (v >= lowest && v <= highest) {
            return v;
        }
        problem(name, "is " + v + "; it must be from " + lowest + " to " + highest);
        return otherwise;
    }

    /** A whole number within bounds, {@code otherwise} if it isn't there. */
    public long whole(String name, long otherwise, long lowest, long highest) {
        Number n = value(name, Number.class, otherwise, "a whole number");
        double d = n.doubleValue(); // tells what has a fraction, or is too large for a long
        long whole = n.longValue();
        if (d == Math.rint(d) && d >= lowest && d <= highest && whole >= lowest && whole <= highest) {
            return whole;
        }
        problem(name, "is " + n + "; it must be a whole number from " + lowest + " to " + highest);
        return otherwise;
    }

    /** A length of time above 0 as Go writes it ("1m30s", "250ms"), {@code otherwise} if it isn't there. */
    public Duration duration(String name, Duration otherwise) {
        String text = text(name, null);
        if (text == null) {
            return otherwise;
        }
        Matcher m = PART.matcher(text);
        double nanos = 0;
        int at = 0;
        for (; m.find() && m.start() == at; at = m.end()) {
            nanos += Double.parseDouble(m.group(1)) * nanosOf(m.group(2));
        }
        if (at != text.length() || !(nanos >= 1 && nanos <= Long.MAX_VALUE)) {
            problem(name, "is \"" + text + "\"; it must be a length of time above 0, such as 1m30s or 250ms");
            return otherwise;
        }
        return Duration.ofNanos(Math.round(nanos));
    }

    /** A list of texts, empty if it isn't there. */
    public List<String> texts(String name) {
        return list(name, String.class, "a list of texts");
    }

    /** A list of numbers, empty if it isn't there. */
    public double[] reals(String name) {
        return list(name, Number.class, "a list of numbers").stream().mapToDouble(Number::doubleValue).toArray();
    }

    /** Lets a setting be there that means something to others. */
    public void leave(String name) {
        known.add(name);
    }

    /** Adds an error: {@code what} describes the value's error and the possible values. */
    public void problem(String name, String what) {
        problems.add(at(name) + ": " + what);
    }

    /**
     * Ends the reading.
     *
     * @throws IllegalArgumentException with a line for each error, unknown names included
     */
    public void finish() {
        findUnknown();
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    private void findUnknown() {
        for (String name : tree.keySet()) {
            if (!known.contains(name)) {
                problem(name, "is no setting; " + Names.explain(name, known));
            }
        }
        sections.values().forEach(Settings::findUnknown);
    }

    private String at(String name) {
        return path + name;
    }

    private <T> T value(String name, Class<T> kind, T otherwise, String called) {
        if (!has(name)) {
            return otherwise;
        }
        Object value = tree.get(name);
        if (kind.isInstance(value)) {
            return kind.cast(value);
        }
        problem(name, "is " + value + "; it must be " + called);
        return otherwise;
    }

    private <T> List<T> list(String name, Class<T> kind, String called) {
        List<T> out = new ArrayList<>();
        for (Object value : value(name, List.class, List.of(), called)) {
            if (!kind.isInstance(value)) {
                problem(name, "holds " + value + "; it must be " + called);
                return List.of();
            }
            out.add(kind.cast(value));
        }
        return out;
    }

    private static double nanosOf(String unit) {
        switch (unit) {
            case "ns":
                return 1;
            case "us":
            case "µs":
                return 1e3;
            case "ms":
                return 1e6;
            case "s":
                return 1e9;
            case "m":
                return 60e9;
            default:
                return 3600e9;
        }
    }
}
