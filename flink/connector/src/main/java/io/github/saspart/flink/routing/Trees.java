package io.github.saspart.flink.routing;

/** What heap-shaped trees over a number of leaves have in common. */
final class Trees {
  private Trees() {}

  /** The smallest power of two that is at least n. */
  static int leaves(int n) {
    return n <= 1 ? 1 : Integer.highestOneBit(n - 1) << 1;
  }
}
