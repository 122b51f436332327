/**
 * The Java client of Straw, the event gateway for Juicebox webhooks: one typed stream of events
 * that survives restarts of the gateway and failures of the network. Begin with {@link
 * dev.straw.client.StrawClient}.
 *
 * <p>A subscription reconnects when the gateway restarts, the network fails or the stream falls
 * silent, and goes on after the last event that was processed. A durable consumer acknowledges what
 * its handler has handled, and repeats that until the gateway has confirmed it. The package never
 * retries what a retry can't help, and never hides a gap.
 *
 * <p>The messages are in {@code dev.straw.v1}, which is generated.
 */
package dev.straw.client;
