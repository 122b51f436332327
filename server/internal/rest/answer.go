package rest

import (
	"context"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/straw-gateway/straw/server/internal/share"
)

// longAnswer is from how many bytes on, encoded, an answer is made in a turn of the caller's.
const longAnswer = 16 << 10

// An answerWriter holds the turn in which an answer is made, until it is written.
type answerWriter struct {
	http.ResponseWriter
	turn share.Turn
}

// Write implements io.Writer. The turn ends first, for the caller may be slow.
func (a *answerWriter) Write(b []byte) (int, error) {
	a.turn.Give()
	return a.ResponseWriter.Write(b)
}

// inTurns lets long answers of calls be made in turns. Subscribe has turns of its own, and a file isn't made.
func (g *gateway) inTurns(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		if g.own[routeOf(r)] {
			next(w, r, path)
			return
		}
		a := &answerWriter{ResponseWriter: w, turn: g.share.Turn(share.CallerOf(r.Context()))}
		defer a.turn.Give()
		next(a, r, path)
	}
}

// awaitTurn is asked before an answer becomes JSON.
func awaitTurn(ctx context.Context, w http.ResponseWriter, answer proto.Message) error {
	a, ok := w.(*answerWriter)
	if !ok || proto.Size(answer) < longAnswer {
		return nil
	}
	if err := a.turn.Take(ctx); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}
