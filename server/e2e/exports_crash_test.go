package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// How hard the crash test of exports is: how many are announced, and how often the gateway is killed meanwhile.
const (
	crashExports = 200
	crashKills   = 15
)

// TestCrashStoresEachExportOnce kills the gateway again and again while it fetches 200 exports. At the end each must be
// AVAILABLE with the bytes that were announced, and told of once.
func TestCrashStoresEachExportOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	files := startFiles(t, http.NotFound)
	dir := t.TempDir()
	start := func() *gateway { return startGateway(t, dir, "--export-allow-host", files.host) }
	of := func(i int) made { return made{seed: int64(i), size: int64(1+i%50) * 40_000} }

	g := start()
	for i := range crashExports {
		g.mustPost(announcement(fmt.Sprint("evt_", i), fmt.Sprint("exp_", i), files.link(of(i))))
	}
	cut := 0
	for range crashKills {
		timer := time.NewTimer(time.Duration(random.IntN(60)) * time.Millisecond)
		<-timer.C
		g.kill()
		g = start()
		if unfinished(t, g) > 0 {
			cut++
		}
	}
	if cut < 3 {
		t.Errorf("only %d of %d kills hit a gateway that had work: too little to mean anything", cut, crashKills)
	}
	client, err := straw.Dial(g.grpc)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range crashExports {
		x := awaitExport(t, g, client, fmt.Sprint("exp_", i))
		if x.GetState() != strawv1.Export_AVAILABLE || x.GetGeneration() != 1 || x.GetSha256() != of(i).sum(t) {
			t.Errorf("%v", x)
		}
	}
	told := map[string]int{}
	await(t, "not all exports were told of", func() bool {
		clear(told)
		for _, e := range g.everything(t.Context()) {
			if s := e.GetExportStored(); s != nil {
				told[s.GetExportId()]++
			}
			if f := e.GetExportFailed(); f != nil {
				t.Fatalf("%v", f)
			}
		}
		return len(told) >= crashExports
	})
	for id, n := range told {
		if n != 1 {
			t.Errorf("%s was told of %d times", id, n)
		}
	}
	requests := 0
	for _, n := range files.asked {
		requests += n
	}
	t.Logf("%d kills, %d of them amid work; %d exports took %d requests", crashKills, cut, crashExports, requests)
	if most := crashExports + 4*crashKills; requests > most {
		t.Errorf("%d requests, at most %d downloads can have been cut", requests, most-crashExports)
	}
}

// unfinished is how many exports the gateway still has to fetch.
func unfinished(t *testing.T, g *gateway) int {
	t.Helper()
	page, err := strawv1.NewExportServiceClient(g.dial()).ListExports(t.Context(), &strawv1.ListExportsRequest{
		PageSize: 1000, States: []strawv1.Export_State{strawv1.Export_PENDING, strawv1.Export_DOWNLOADING},
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.GetExports())
}
