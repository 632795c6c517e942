package io.github.saspart.flink.jobs.task;

import io.github.saspart.flink.jobs.source.Event;
import io.github.saspart.flink.jobs.source.Words;

/** Counts the words of each key's sentences. */
final class WordCount extends Task<WordCounts> {
    private static final long serialVersionUID = 1;

    WordCount(boolean renders) {
        super(renders);
    }

    @Override
    public WordCounts createAccumulator() {
        return new WordCounts();
    }

    @Override
    public WordCounts add(Event event, WordCounts counts) {
        counts.records++;
        Words words = new Words(event.text);
        for (String word = words.next(); word != null; word = words.next()) {
            counts.add(word, 1);
        }
        return counts;
    }

    @Override
    public WordCounts merge(WordCounts into, WordCounts from) {
        into.merge(from);
        return into;
    }

    @Override
    public long units(Event event) {
        return Words.count(event.text);
    }

    @Override
    public long size(WordCounts counts) {
        return counts.size();
    }

    @Override
    public long records(WordCounts counts) {
        return counts.records;
    }

    @Override
    public String exact(WordCounts counts) {
        return counts.toString();
    }
}
