/** What subtasks measure, and how they report it to the policy server; not for use by others. */
package io.github.saspart.flink.internal.report;
