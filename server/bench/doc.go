// Command bench measures Straw side by side with limit programs: the least possible work, done with the same libraries, on
// the same machine, in the same run. Its figures are ratios; the absolute ones say as much about the machine.
//
//	go run ./server/bench                                  # everything; most of an hour, 20 GB of disk
//	go run ./server/bench -quick                           # a rough table within two minutes
//	go run ./server/bench -rows ingest,replay -rounds 9    # some rows, more rounds
//	go run ./server/bench -limits                          # the limits alone
//
// It prints a table, medians with [lowest–highest], and writes the figures of every round to bench.json.
//
// # How it measures
//
// Server, load generator and subscribers are processes of their own (this program, started again in a role); Straw is its
// real binary, with its defaults, on a real disk. All of it stays on loopback, and ends with the run. Each round measures
// all sides of a row one after the other, and the next round turns their order around. A ratio is taken within a round,
// where both sides met the same machine, and the median of those ratios is held against the bar. CPU time is the process's
// own, user and system, as its rusage counts it.
//
// The load generator is one thread with an epoll loop; all requests are signed and assembled before the clock starts.
// Webhooks of all documented types take turns, about 250 bytes each; an encoded event has about 135, and its cursor 34 more.
// A row fails, instead of giving a figure, if a webhook is refused, the rate isn't kept, or anything is missing or twice
// among the deliveries.
//
// # The rows
//
//   - ingest: 64 keep-alive connections, each sending the next webhook when the last is answered. Limits: a handler that
//     reads, verifies and converts and then makes one synced Pebble Set, or an acknowledged JetStream publish with
//     sync_always, or nothing. A fresh server and store each time.
//   - stored: the same on a store that already holds 10 M events (half a million with -quick), against a new one; with random
//     ids and with time-ordered ones. The store is filled through Straw's engine before the first round.
//   - open: Straw is killed with kill -9 in the middle of that load; then the time from exec until /readyz says yes.
//   - replay: one subscriber reads a store from its beginning with clients/go. Straw has just been started, so all of it comes
//     from Pebble. Limit: a hand-written grpc-go stream of the same bytes from memory, encoded beforehand, and the
//     generated stub. Beside it, the same with one event a message, and a JetStream ordered consumer that decodes nothing.
//   - durable: consumers of one durable subscription that begins at the earliest event, each acknowledging in one call what came
//     in during the call before. Limit: a JetStream durable pull consumer with sync_always whose every acknowledgement is
//     confirmed (DoubleAck), 256 at once from each of its consumers. Both have as many events in flight: the default, and for
//     64 consumers so many that each can hold a frame's worth, and the default beside it. "Bare calls" are the same consumers'
//     of a program that sends and answers and does nothing else: what the transport alone allows. Then the server's CPU per
//     event with a large log still to come, against a subscription that soon reaches the head; and with 1,000 subscriptions,
//     against one.
//   - fanout: 64 readers, a connection each, released together onto a log in memory. Undecoded ones have a codec that drops
//     the bytes.
//   - live: 2,000 webhooks/s to 64 subscribers: the server's CPU time per delivery, ingest included. The limit stores nothing.
//   - crowd: the same per delivery for 1 to 1,000 subscribers, less what the same webhooks cost without a subscriber.
//     "growth" is what the bar is for: how much dearer a delivery gets as subscribers are added. The lone subscriber's is the
//     dearest, for its every event wakes threads; "dearest over cheapest" shows that, and the lean program's beside it.
//   - latency: at 1,000/s, from just before the webhook is written to just after the client has decoded the event, both on
//     CLOCK_MONOTONIC. Limit: 3 × the lean program's p99 + 2 × the p99 of an fdatasync in the same round.
//   - idle: what each of 10,000 idle subscribers adds to HeapInuse + StackInuse, against bare grpc-go streams.
//   - blocked: what each stream adds that has much to read and never does. Twice: a client that reads its socket but grants no
//     window beyond the first 64 KiB, and one that grants the largest windows and never reads its socket.
//   - stalled: the delivery p99 of eight subscribers beside 1,000 streams of the former kind, over that without them.
//   - download: one large export, stored, over HTTP, over gRPC with the generated stub, the same undecoded, and by clients/go,
//     which resumes and sums up what comes; the reader drops the bytes. Limit: net/http serving the same file without
//     sendfile, which whoever looks at the bytes can't use.
//   - exports: 1,000 exports of 16 KiB are announced at once; from the first webhook to the event that tells of the last one
//     stored. Limit: a bare fetcher, four downloads at once like Straw's, that syncs each file; it keeps its connections,
//     checks nothing and tells nobody.
//
// # What Straw must offer
//
// The flags --webhook-addr, --grpc-addr, --http-addr, --webhook-secret, --store and --blobs of serve; log lines with the keys
// listener (webhook, grpc, http) and addr; /readyz; STRAW_EXPORT_ALLOW_HOST; and on /metrics go_memstats_heap_inuse_bytes,
// go_memstats_stack_inuse_bytes and go_gc_duration_seconds_count.
//
// # What to keep in mind
//
//   - Load and subscribers share the cores with the server. Where all are busy, a rate is that of the whole machine, and a
//     server that costs a tenth more shows as less than a tenth.
//   - Memory is read after two garbage collections, which scraping brings about; the server runs with GOGC=10 for it. It leaves
//     out what the kernel holds in socket buffers.
//   - "Idle" and "blocked" streams are opened with bare HTTP/2 frames: 10,000 grpc-go connections would take the memory that is
//     to be measured. The server can't tell.
//   - The fdatasync is that of appended records of 1 KiB, 1,000 a second for as long as the latency is measured, while nothing
//     else of the run writes. On a disk that others use too, its p99 is the most restless figure of all.
//   - A kill -9 leaves the page cache: "open" reads from memory much of what it would read from disk after a power cut.
//   - With -quick a row is one short round: good for finding what is broken, not for a decision.
package main
