// Package straw is the Go client of Straw, the event gateway for Juicebox webhooks.
//
//	client, err := straw.Dial("127.0.0.1:9090")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	for event, err := range client.Subscribe(ctx, straw.SubscribeOptions{Start: straw.Earliest()}) {
//		if err != nil {
//			return err
//		}
//		switch p := straw.Payload(event).(type) {
//		case *straw.AnalysisCompleted:
//			fetchResults(p.GetAnalysisId(), p.ResultCount)
//		case *straw.Unrecognized:
//			log.Printf("%s: %s", event.GetType(), p.GetDetail())
//		}
//	}
//
// A subscription is endless: it reconnects when the gateway restarts, the network fails or the stream falls silent, and goes
// on after the last event that was processed. An event counts as processed once the loop's body has come to its end with it;
// leaving the loop by break, return or panic leaves the event unprocessed, and it comes again with the next subscription
// that goes on from the saved cursor.
//
// Where the gateway is to keep the position, and several programs share the work, Consume and Deliveries take events off a
// durable subscription; each comes until it is acknowledged.
//
// The package never retries what a retry can't help, never hides a gap, and starts no goroutine per event. It imports
// nothing of the server but the generated messages.
package straw
