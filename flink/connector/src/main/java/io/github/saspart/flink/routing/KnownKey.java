package io.github.saspart.flink.routing;

/** A key that {@link HotKeys} knows: an entry, which is given to another key later. */
final class KnownKey {
    final int number; // of the entry, from 0, for what routers keep in arrays beside
    final WorkerSet at; // where its records went
    long hash;
    int home; // the worker of its cold records
    boolean live; // the entry is in use
    long term; // a new number each time the key becomes hot
    long until; // the last slide in which it is hot
    double count; // records in the current slide
    double last; // records in the slide before

    KnownKey(int number, WorkerSet at) {
        this.number = number;
        this.at = at;
    }

    /** Gives the entry to a key that is cold in slide now, and nowhere. */
    void admit(long hash, int home, long now) {
        this.hash = hash;
        this.home = home;
        live = true;
        term = 0;
        until = now - 1;
        count = 0;
        last = 0;
        at.clear();
    }
}
