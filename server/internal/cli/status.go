package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func (p *program) status() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what the gateway is, holds and has counted",
		Args:  cobra.NoArgs,
	}
	client, output := addClientFlags(c), outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		conn, err := p.dial(client)
		if err != nil {
			return err
		}
		defer conn.Close()
		status, err := conn.Gateway().GetStatus(c.Context(), &strawv1.GetStatusRequest{})
		if err != nil {
			return p.unreachable(client, err)
		}
		if *output != asText {
			return output.write(p.stdout, status)
		}
		return printStatus(p.stdout, status, time.Now())
	}
	return c
}

// printStatus writes a name and a value a line.
func printStatus(w io.Writer, s *strawv1.GetStatusResponse, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("version", "%s", s.GetVersion())
	line("up", "%s", span(now.Sub(s.GetStartTime().AsTime())))
	if len(s.GetFeatures()) > 0 {
		line("features", "%s", strings.Join(s.GetFeatures(), ", "))
	}
	store := s.GetStore()
	line("store", "%s %s, incarnation %s", store.GetEngine(), store.GetId(), store.GetIncarnation())
	line("holds", "%d events, %s", store.GetEventCount(), bytesText(store.GetSizeBytes()))
	if !store.GetWritable() {
		line("problem", "%s", store.GetProblem())
	} else if store.GetProblem() != "" {
		line("warning", "%s", store.GetProblem())
	}
	line("oldest cursor", "%s", s.GetOldestCursor())
	line("head cursor", "%s", s.GetHeadCursor())
	line("streams", "%d", s.GetStreamCount())
	for _, c := range s.GetTypeCounts() {
		name := "of further types"
		if c.GetType() != "" {
			name = word(c.GetType())
		}
		line("stored", "%d %s", c.GetCount(), name)
	}
	line("unrecognized", "%d", s.GetUnrecognizedCount())
	line("duplicates", "%d, of which %d with another body", s.GetDuplicateCount(), s.GetConflictCount())
	for _, secret := range s.GetSecrets() {
		used := "not used since the start"
		if secret.LastUsedTime != nil {
			used = "last used " + span(now.Sub(secret.GetLastUsedTime().AsTime())) + " ago"
		}
		line("secret", "%s, %s", secret.GetFingerprint(), used)
	}
	if q := s.GetLatestQuotaWarning(); q != nil {
		line("quota warning", "%s%s", q.GetReceiveTime().AsTime().Format(time.RFC3339), painter(false).members(q.GetQuotaWarning()))
	}
	if s.JuiceboxHoldUntil != nil {
		line("hold", "calls to Juicebox's API are held until %s", s.GetJuiceboxHoldUntil().AsTime().Format(time.RFC3339))
	}
	return t.Flush()
}

// span writes how long something took, in its two largest units.
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.String()
}

func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/1024, 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", size, units[unit])
}
