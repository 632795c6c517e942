/**
 * Attaches subtasks to the policy server, by the protocol that serve/PROTOCOL.md describes. All of it
 * runs on one background thread per process; nothing here ever waits for the server.
 */
package io.github.saspart.flink.client;
