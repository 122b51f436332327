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

// exportCrash is how hard a crash test of exports is: how many are announced, and how often the gateway is killed meanwhile.
type exportCrash struct{ exports, kills int }

// TestCrashStoresEachExportOnce kills the gateway again and again while it fetches exports.
func TestCrashStoresEachExportOnce(t *testing.T) {
	t.Run("file", func(t *testing.T) { exportCrash{exports: 200, kills: 15}.run(t) })
	t.Run("s3", func(t *testing.T) { exportCrash{exports: 60, kills: 8}.run(t, "--blobs", startS3(t)) })
}

// run checks that at the end each export is AVAILABLE with the bytes that were announced, and told of once.
func (c exportCrash) run(t *testing.T, args ...string) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	files := startFiles(t, http.NotFound)
	dir := t.TempDir()
	start := func() *gateway { return startGateway(t, dir, append(args, "--export-allow-host", files.host)...) }
	of := func(i int) made { return made{seed: int64(i), size: int64(1+i%50) * 40_000} }

	g := start()
	for i := range c.exports {
		g.mustPost(announcement(fmt.Sprint("evt_", i), fmt.Sprint("exp_", i), files.slowLink(of(i))))
	}
	cut := 0
	for range c.kills {
		timer := time.NewTimer(time.Duration(random.IntN(60)) * time.Millisecond)
		<-timer.C
		g.kill()
		g = start()
		if unfinished(t, g) > 0 {
			cut++
		}
	}
	if cut < 3 {
		t.Errorf("only %d of %d kills hit a gateway that had work: too little to mean anything", cut, c.kills)
	}
	client, err := straw.Dial(g.grpc)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range c.exports {
		x := awaitExport(t, g, client, fmt.Sprint("exp_", i))
		if x.GetState() != strawv1.Export_AVAILABLE || x.GetGeneration() != 1 || x.GetSha256() != of(i).sum(t) {
			t.Errorf("%v", x)
		}
	}
	await(t, "not all exports were told of", func() bool { return len(g.told(t.Context())) >= c.exports })
	for id, n := range g.told(t.Context()) {
		if n != (outcomes{stored: 1}) {
			t.Errorf("the log tells of %s as %+v", id, n)
		}
	}
	requests := 0
	for _, n := range files.asked {
		requests += n
	}
	t.Logf("%d kills, %d of them amid work; %d exports took %d requests", c.kills, cut, c.exports, requests)
	if most := c.exports + 4*c.kills; requests > most {
		t.Errorf("%d requests, at most %d downloads can have been cut", requests, most-c.exports)
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
