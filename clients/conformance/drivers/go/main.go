// Command go drives the Go client as the conformance cases tell it to. It uses nothing but what the client offers to every
// program, and judges nothing: it prints what it sees.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"

	straw "github.com/straw-gateway/straw/clients/go"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: driver '{\"op\": …, \"address\": …}'")
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what matters
		stop()
	}()
	if err := run(ctx, stop, []byte(os.Args[1])); err != nil {
		log.Fatal(err)
	}
}

// common is what every argument has.
type common struct {
	Op      string `json:"op"`
	Address string `json:"address"`
}

// An operation is one argument, decoded. Its run prints what it sees; an error is one of the driver, not of the client.
type operation interface {
	run(ctx context.Context, stop func(), c *straw.Client) error
}

var operations = map[string]func() operation{
	"subscribe": func() operation { return new(subscribe) },
	"consume":   func() operation { return new(consume) },
	"settle":    func() operation { return new(settle) },
	"manage":    func() operation { return new(manage) },
	"download":  func() operation { return new(download) },
	"get":       func() operation { return new(get) },
	"verify":    func() operation { return new(verify) },
	"status":    func() operation { return new(status) },
}

func run(ctx context.Context, stop func(), argument []byte) error {
	var to common
	if err := json.Unmarshal(argument, &to); err != nil {
		return fmt.Errorf("the argument: %w", err)
	}
	operation, found := operations[to.Op]
	if !found {
		return fmt.Errorf("there is no op %q", to.Op)
	}
	o := operation()
	if err := strict(argument, o); err != nil {
		return fmt.Errorf("the argument of %s: %w", to.Op, err)
	}
	client, err := straw.Dial(to.Address)
	if err != nil {
		return err
	}
	defer client.Close()
	return o.run(ctx, stop, client)
}

// strict decodes an object that has no unknown members.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// milliseconds is a duration in an argument.
type milliseconds int64

func (m milliseconds) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// wait takes so long, as work would.
func (m milliseconds) wait() {
	if m > 0 {
		<-time.After(m.duration())
	}
}

// object is a line of the output.
type object = map[string]any

var printing sync.Mutex

// say prints a line.
func say(o object) {
	line, err := json.Marshal(o)
	if err != nil {
		log.Fatal(err)
	}
	printing.Lock()
	defer printing.Unlock()
	if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
		log.Fatal(err)
	}
}

// sayGap prints what retention has removed.
func sayGap(gap *straw.Gap) {
	say(object{"gap": object{"requested": gap.GetRequested(), "oldest": gap.GetOldest()}})
}

// sayEnd prints how something ended.
func sayEnd(err error) {
	if err == nil {
		say(object{"end": true})
		return
	}
	say(failure(err))
}

// failure is the line of an error.
func failure(err error) object {
	problem := object{"code": "", "reason": "", "metadata": object{}, "message": err.Error()}
	switch e, ok := errors.AsType[*straw.Error](err); {
	case ok:
		problem["code"], problem["reason"] = code.Code(e.Code).String(), reasonOf(err)
		if e.Metadata != nil {
			problem["metadata"] = e.Metadata
		}
	case errors.Is(err, straw.ErrChecksum):
		problem["code"] = code.Code_DATA_LOSS.String()
	case errors.Is(err, straw.ErrExportChanged):
		problem["code"] = code.Code_ABORTED.String()
	}
	return object{"error": problem}
}

// reasonOf is the name of an error's reason; empty if it has none.
func reasonOf(err error) string {
	if reason := straw.ReasonOf(err); reason != 0 {
		return reason.String()
	}
	return ""
}

// connections tell of a stream's connections.
func connections() straw.Hooks {
	return straw.Hooks{
		Connected:    func(*straw.Frame) { say(object{"connected": true}) },
		Disconnected: func(err error, _ time.Duration) { say(object{"disconnected": reasonOf(err)}) },
	}
}
