package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// ExportsHarness opens the store of one test, and opens it again once its log has been closed.
type ExportsHarness func(t TB) (store.Log, store.Exports)

var exportCases = []struct {
	name string
	run  func(t *testing.T, open ExportsHarness)
}{
	{"generations of an export follow one another", testGenerations},
	{"an announcement counts once", testAnnouncedOnce},
	{"an unknown export is not found", testUnknownExport},
	{"states change as they may", testExportStates},
	{"a change that fails changes nothing", testFailedChange},
	{"changes of one export follow one another", testConcurrentChanges},
	{"listing shows the newest generation of each, newest first", testListExports},
	{"what isn't settled is found again", testUnsettled},
	{"what is available is found again, old generations too", testAvailable},
	{"exports survive reopening", testReopenExports},
	{"closed exports refuse", testClosedExports},
}

// RunExports runs the suite of store.Exports. fresh returns a new, empty store.
func RunExports(t *testing.T, fresh func(t *testing.T) ExportsHarness) {
	for _, c := range exportCases {
		t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
	}
}

func openExports(t *testing.T, open ExportsHarness) store.Exports {
	t.Helper()
	l, e := open(t)
	t.Cleanup(func() { closeLog(t, l) })
	return e
}

// announcement is the one of an export by the event of a sequence.
func announcement(id string, seq event.Sequence) store.Announcement {
	at := epoch.Add(time.Duration(seq) * time.Second)
	return store.Announcement{ExportID: id, Seq: seq, EventID: fmt.Sprint("evt_", seq), Format: "csv", LinkExpires: at.Add(time.Hour), Time: at}
}

// announce begins generations, one for each id, by the events after the progress.
func announce(t TB, e store.Exports, ids ...string) []store.Export {
	t.Helper()
	var announced []store.Announcement
	seq := e.Progress()
	for _, id := range ids {
		seq++
		announced = append(announced, announcement(id, seq))
	}
	begun, err := e.Announce(context.Background(), seq, announced)
	if err != nil || len(begun) != len(ids) {
		t.Fatalf("announce %q: %d generations, %v", ids, len(begun), err)
	}
	return begun
}

// become gives a generation a state.
func become(t TB, e store.Exports, x store.Export, states ...strawv1.Export_State) store.Export {
	t.Helper()
	for _, state := range states {
		var err error
		if x, err = e.Update(context.Background(), x.Key(), func(x *store.Export) error { x.Record.State = state; return nil }); err != nil {
			t.Fatalf("%v to %s: %v", x.Key(), state, err)
		}
	}
	return x
}

// same compares what was found with what is there, by its numbers and records.
func same(t TB, what string, want, got []store.Export) {
	t.Helper()
	equal := slices.EqualFunc(want, got, func(a, b store.Export) bool {
		return a.Number == b.Number && a.Seq == b.Seq && a.EventID == b.EventID && a.Settled == b.Settled && proto.Equal(a.Record, b.Record)
	})
	if !equal {
		t.Fatalf("%s:\n%v\nwant\n%v", what, got, want)
	}
}

func get(t TB, e store.Exports, id string) store.Export {
	t.Helper()
	x, err := e.Get(context.Background(), id)
	if err != nil {
		t.Fatalf("get %q: %v", id, err)
	}
	return x
}

func testGenerations(t *testing.T, open ExportsHarness) {
	e := openExports(t, open)
	begun := announce(t, e, "a", "b", "a", "a")
	for i, want := range []int64{1, 1, 2, 3} {
		x := begun[i]
		if x.Record.GetGeneration() != want || x.Number != uint64(i+1) || x.Record.GetState() != strawv1.Export_PENDING || x.Settled {
			t.Errorf("the %d-th is %v, want generation %d, PENDING", i+1, x, want)
		}
	}
	same(t, "newest", begun[3:], []store.Export{get(t, e, "a")})
	first, err := e.Generation(context.Background(), store.ExportKey{ID: "a", Generation: 1})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "first", begun[:1], []store.Export{first})

	again, err := e.Refetch(context.Background(), "a", epoch.Add(time.Minute))
	if err != nil || again.Record.GetGeneration() != 4 || again.Seq != begun[3].Seq || again.EventID != begun[3].EventID {
		t.Fatalf("refetch: %v, %v", again, err)
	}
	if !again.Record.GetUrlExpireTime().AsTime().Equal(begun[3].Record.GetUrlExpireTime().AsTime()) {
		t.Errorf("a refetch moved the link's end to %v", again.Record.GetUrlExpireTime().AsTime())
	}
	same(t, "refetched", []store.Export{again}, []store.Export{get(t, e, "a")})
	if x := announce(t, e, "a")[0]; x.Record.GetGeneration() != 5 {
		t.Errorf("generation %d follows 4", x.Record.GetGeneration())
	}
}

func testAnnouncedOnce(t *testing.T, open ExportsHarness) {
	e := openExports(t, open)
	ctx := context.Background()
	announced := []store.Announcement{announcement("a", 3), announcement("b", 7)}
	for _, want := range []int{2, 0, 0} {
		begun, err := e.Announce(ctx, 9, announced)
		if err != nil || len(begun) != want {
			t.Fatalf("%d generations, %v; want %d", len(begun), err, want)
		}
	}
	if p := e.Progress(); p != 9 {
		t.Fatalf("the progress is %d, want 9", p)
	}
	begun, err := e.Announce(ctx, 12, append(announced, announcement("a", 11)))
	if err != nil || len(begun) != 1 || begun[0].Record.GetGeneration() != 2 {
		t.Fatalf("%v, %v; want the second generation of a alone", begun, err)
	}
	if _, err := e.Announce(ctx, 20, nil); err != nil || e.Progress() != 20 {
		t.Fatalf("progress without announcements: %d, %v", e.Progress(), err)
	}
	if _, err := e.Announce(ctx, 5, nil); err != nil || e.Progress() != 20 {
		t.Fatalf("the progress fell to %d, %v", e.Progress(), err)
	}
}

func testUnknownExport(t *testing.T, open ExportsHarness) {
	e := openExports(t, open)
	ctx := context.Background()
	x := announce(t, e, "a")[0]
	_, getErr := e.Get(ctx, "b")
	_, generationErr := e.Generation(ctx, store.ExportKey{ID: "a", Generation: 2})
	_, refetchErr := e.Refetch(ctx, "b", epoch)
	_, updateErr := e.Update(ctx, store.ExportKey{ID: "a", Generation: 2}, func(*store.Export) error { return nil })
	for what, err := range map[string]error{"get": getErr, "generation": generationErr, "refetch": refetchErr, "update": updateErr} {
		if !errors.Is(err, event.ErrExportNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, "the known one", []store.Export{x}, []store.Export{get(t, e, "a")})
}

func testExportStates(t *testing.T, open ExportsHarness) {
	e := openExports(t, open)
	states := []strawv1.Export_State{
		strawv1.Export_PENDING, strawv1.Export_DOWNLOADING, strawv1.Export_AVAILABLE, strawv1.Export_EXPIRED, strawv1.Export_FAILED, strawv1.Export_PURGED,
	}
	ways := map[strawv1.Export_State][]strawv1.Export_State{
		strawv1.Export_PENDING: nil, strawv1.Export_DOWNLOADING: {strawv1.Export_DOWNLOADING}, strawv1.Export_AVAILABLE: {strawv1.Export_AVAILABLE},
		strawv1.Export_EXPIRED: {strawv1.Export_EXPIRED}, strawv1.Export_FAILED: {strawv1.Export_FAILED},
		strawv1.Export_PURGED: {strawv1.Export_AVAILABLE, strawv1.Export_PURGED},
	}
	counts := map[strawv1.Export_State]int64{}
	for _, from := range states {
		for _, to := range states {
			x := become(t, e, announce(t, e, fmt.Sprint(from, to))[0], ways[from]...)
			changed, err := e.Update(context.Background(), x.Key(), func(x *store.Export) error { x.Record.State = to; return nil })
			if may := store.ExportMayBecome(from, to); may != (err == nil) {
				t.Errorf("%s to %s: %v, and it may: %v", from, to, err, may)
			}
			if got := get(t, e, x.Key().ID).Record.GetState(); got != changed.Record.GetState() {
				t.Errorf("%s to %s returned %s, and is %s", from, to, changed.Record.GetState(), got)
			}
			counts[changed.Record.GetState()]++
		}
	}
	for state, n := range e.Counts() {
		if n != counts[state] {
			t.Errorf("%d are counted as %s, want %d", n, state, counts[state])
		}
	}
}

func testFailedChange(t *testing.T, open ExportsHarness) {
	e := openExports(t, open)
	x := announce(t, e, "a")[0]
	want := errors.New("no")
	_, err := e.Update(context.Background(), x.Key(), func(x *store.Export) error { x.Record.Attempts = 7; x.Settled = true; return want })
	if !errors.Is(err, want) {
		t.Fatalf("got %v", err)
	}
	same(t, "after it", []store.Export{x}, []store.Export{get(t, e, "a")})
}

func testConcurrentChanges(t *testing.T, open ExportsHarness) {
	e := openExports(t, open)
	x := announce(t, e, "a")[0]
	const n = 100
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			_, err := e.Update(context.Background(), x.Key(), func(x *store.Export) error { x.Record.Attempts++; return nil })
			if err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := e.Refetch(context.Background(), "b", epoch); !errors.Is(err, event.ErrExportNotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := get(t, e, "a").Record.GetAttempts(); got != n {
		t.Fatalf("%d of %d changes are left", got, n)
	}
}

func testListExports(t *testing.T, open ExportsHarness) {
	e := openExports(t, open)
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprintf("%03d", i))
	}
	begun := announce(t, e, ids...)
	announced := announce(t, e, "003", "500")
	want := append(slices.Concat(begun[:3], begun[4:500], begun[501:]), announced...)
	slices.Reverse(want)
	for _, limit := range []int{1, 7, 256, 1000, 2000} {
		var got []store.Export
		for before := uint64(0); ; {
			page, next, err := e.List(context.Background(), before, limit)
			if err != nil || len(page) > limit {
				t.Fatalf("a page of %d, %v", len(page), err)
			}
			if got = append(got, page...); next == 0 || limit == 1 && len(got) == 5 {
				break
			}
			before = next
		}
		if limit == 1 {
			same(t, "first pages of one", want[:5], got)
			continue
		}
		same(t, fmt.Sprint("pages of ", limit), want, got)
	}
	failed := become(t, e, begun[700], strawv1.Export_FAILED)
	page, _, err := e.List(context.Background(), 0, 10, strawv1.Export_FAILED, strawv1.Export_EXPIRED)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "by state", []store.Export{failed}, page)
}

func settle(t TB, e store.Exports, x store.Export) store.Export {
	t.Helper()
	x, err := e.Update(context.Background(), x.Key(), func(x *store.Export) error { x.Settled = true; return nil })
	if err != nil {
		t.Fatalf("settle: %v", err)
	}
	return x
}

func testUnsettled(t *testing.T, open ExportsHarness) {
	e := openExports(t, open)
	begun := announce(t, e, "a", "b", "a", "c", "d")
	settle(t, e, become(t, e, begun[1], strawv1.Export_EXPIRED))
	begun[2] = become(t, e, begun[2], strawv1.Export_AVAILABLE)
	got, err := e.Unsettled(context.Background(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unsettled", []store.Export{begun[0], begun[2], begun[3], begun[4]}, got)
	got, err = e.Unsettled(context.Background(), begun[0].Number, 2)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the second page", begun[2:4], got)
}

func testAvailable(t *testing.T, open ExportsHarness) {
	e := openExports(t, open)
	begun := announce(t, e, "a", "b", "a", "c")
	for _, i := range []int{0, 2, 3} {
		begun[i] = settle(t, e, become(t, e, begun[i], strawv1.Export_AVAILABLE))
	}
	got, err := e.Available(context.Background(), 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the first page", []store.Export{begun[0], begun[2]}, got)
	become(t, e, begun[2], strawv1.Export_PURGED)
	got, err = e.Available(context.Background(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "after a purge", []store.Export{begun[0], begun[3]}, got)
}

func testReopenExports(t *testing.T, open ExportsHarness) {
	var want []store.Export
	for round := range 4 {
		l, e := open(t)
		for _, x := range want {
			found, err := e.Generation(context.Background(), x.Key())
			if err != nil {
				t.Fatal(err)
			}
			same(t, "reopened", []store.Export{x}, []store.Export{found})
		}
		if p := e.Progress(); int(p) != 3*round {
			t.Fatalf("the progress is %d, want %d", p, 3*round)
		}
		if n := e.Counts()[strawv1.Export_AVAILABLE]; int(n) != round {
			t.Fatalf("%d are counted as AVAILABLE, want %d", n, round)
		}
		begun := announce(t, e, "a", fmt.Sprint("b", round), "long"+string(make([]byte, 70_000)))
		if n := begun[2].Number; int(n) != 3*round+3 {
			t.Fatalf("number %d, want %d", n, 3*round+3)
		}
		begun[1] = settle(t, e, become(t, e, begun[1], strawv1.Export_DOWNLOADING, strawv1.Export_AVAILABLE))
		want = append(want, begun...)
		closeLog(t, l)
	}
}

func testClosedExports(t *testing.T, open ExportsHarness) {
	l, e := open(t)
	x := announce(t, e, "a")[0]
	closeLog(t, l)
	ctx := context.Background()
	_, announceErr := e.Announce(ctx, 5, nil)
	_, getErr := e.Get(ctx, "a")
	_, updateErr := e.Update(ctx, x.Key(), func(*store.Export) error { return nil })
	_, _, listErr := e.List(ctx, 0, 1)
	_, unsettledErr := e.Unsettled(ctx, 0, 1)
	for what, err := range map[string]error{"announce": announceErr, "get": getErr, "update": updateErr, "list": listErr, "unsettled": unsettledErr} {
		if !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("%s when closed: %v", what, err)
		}
	}
}
