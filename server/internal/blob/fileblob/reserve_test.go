package fileblob

import "testing"

// TestReserve leaves a small disk room for exports, and each the room that the log needs.
func TestReserve(t *testing.T) {
	for total, want := range map[uint64]int64{1 << 30: 384, 4 << 30: 819, 10 << 30: 2048, 1 << 40: 2048} {
		if got := (&Blobs{}).reserveOf(total) >> 20; got != want {
			t.Errorf("of %d MiB exports leave %d MiB, want %d", total>>20, got, want)
		}
	}
	if got := (&Blobs{reserve: -1}).reserveOf(1 << 30); got != -1 {
		t.Errorf("without a reserve exports leave %d bytes", got)
	}
}
