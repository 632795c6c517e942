/** Which keys may have been at several workers: told by partitioners, and asked for by workers; not for use by others. */
package io.github.saspart.flink.internal.split;
