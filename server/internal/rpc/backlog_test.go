package rpc

import (
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestWhoeverHoldsNothingNeedNotWait: others whose answers nobody reads may hold all the room there is.
func TestWhoeverHoldsNothingNeedNotWait(t *testing.T) {
	const size, perConnection, total = 100 << 10, 300 << 10, 500 << 10
	b := newBacklog(total, perConnection)
	request := func(c *countedConn, stream uint32) error {
		for _, f := range []http2.FrameHeader{
			{Type: http2.FrameHeaders, StreamID: stream},
			{Type: http2.FrameData, StreamID: stream, Length: size},
			{Type: http2.FrameData, StreamID: stream, Length: 0, Flags: http2.FlagDataEndStream},
		} {
			if err := c.received(f); err != nil {
				return err
			}
		}
		return nil
	}
	open := func() *countedConn {
		c := b.count(nil).(*countedConn)
		t.Cleanup(func() { b.leave(c) })
		return c
	}
	for range 3 {
		c := open()
		for i := range 2 {
			if b.answering+2*size > total {
				break
			}
			if err := request(c, uint32(2*i+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	honest, second := open(), make(chan error, 1)
	for stream := range uint32(2) { // the first fills the room, and the next goes beyond it
		c := honest
		if stream == 1 {
			c = open()
		}
		if err := request(c, 1); err != nil {
			t.Fatal(err)
		}
	}
	go func() { second <- request(honest, 3) }()
	select {
	case err := <-second:
		t.Fatalf("a second large request didn't wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := honest.sent(http2.FrameHeader{Type: http2.FrameHeaders, StreamID: 1}); err != nil { // the first is answered
		t.Fatal(err)
	}
	select {
	case err := <-second:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the second request waits although the first was answered")
	}
}
