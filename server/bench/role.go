package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// roleArgument, as the first argument, makes this program one of its roles instead of the benchmark.
const roleArgument = "role"

// A role is one of the processes that a row is measured with. It is opened with its configuration and then serves
// requests, one at a time, until its standard input ends.
type role interface {
	// do answers one request.
	do(verb string, args json.RawMessage) (any, error)
	// close releases what was opened.
	close()
}

// roles open each role; the second result is what its parent is told once it is ready.
var roles = map[string]func(config json.RawMessage) (role, any, error){
	"bare-settling":       openRole(openBareSettling),
	"consumer":            openRole(openConsumer),
	"export-fetcher":      openRole(openBareFetcher),
	"export-files":        openRole(openExportFiles),
	"export-reader":       openRole(openExportReader),
	"fill":                openRole(openFill),
	"ingest":              openRole(openIngest),
	"lean":                openRole(openLean),
	"load":                openRole(openLoad),
	"subscriber":          openRole(openSubscriber),
	"raw-subscriber":      openRole(openRawSubscriber),
	"jetstream":           openRole(openJetStream),
	"jetstream-reader":    openRole(openJetStreamReader),
	"jetstream-consumers": openRole(openJetStreamConsumers),
}

func openRole[C any, R role](open func(C) (R, any, error)) func(json.RawMessage) (role, any, error) {
	return func(packed json.RawMessage) (role, any, error) {
		var config C
		if err := json.Unmarshal(packed, &config); err != nil {
			return nil, nil, err
		}
		return open(config)
	}
}

type request struct {
	Verb string
	Args json.RawMessage
}

type reply struct {
	Result json.RawMessage `json:",omitempty"`
	Error  string          `json:",omitempty"`
}

// runRole is the whole life of a role process: the first request holds the configuration.
func runRole(name string, in io.Reader, out io.Writer) error {
	open, ok := roles[name]
	if !ok {
		return fmt.Errorf("there is no role %q", name)
	}
	requests := json.NewDecoder(bufio.NewReaderSize(in, 1<<20))
	var first request
	if err := requests.Decode(&first); err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	r, ready, err := open(first.Args)
	if answerErr := answer(out, ready, err); answerErr != nil || err != nil {
		return errors.Join(err, answerErr)
	}
	defer r.close()
	for {
		var req request
		if err := requests.Decode(&req); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		result, err := r.do(req.Verb, req.Args)
		if err := answer(out, result, err); err != nil {
			return err
		}
	}
}

func answer(out io.Writer, result any, failure error) error {
	var rep reply
	if failure != nil {
		rep.Error = failure.Error()
	} else {
		packed, err := json.Marshal(result)
		if err != nil {
			return err
		}
		rep.Result = packed
	}
	line, err := json.Marshal(rep)
	if err != nil {
		return err
	}
	_, err = out.Write(append(line, '\n'))
	return err
}

// errVerb is the answer to a request that a role doesn't know.
func errVerb(verb string) error { return fmt.Errorf("there is no request %q", verb) }

// noRequests is what a role is made of that only has to be there.
type noRequests struct{}

func (noRequests) do(verb string, _ json.RawMessage) (any, error) { //nolint:unparam // a role answers with something
	return nil, errVerb(verb)
}

// roleMain is main for a role process; ran is false if this process is none.
func roleMain(args []string) (code int, ran bool) {
	if len(args) != 3 || args[1] != roleArgument {
		return 0, false
	}
	debug.SetTraceback("all")
	if err := runRole(args[2], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", args[2], err)
		return 1, true
	}
	return 0, true
}
