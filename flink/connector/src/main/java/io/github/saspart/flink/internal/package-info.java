/** The operators behind {@link io.github.saspart.flink.Saspart}; not for use by others. */
package io.github.saspart.flink.internal;
