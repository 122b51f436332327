package observe

import (
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes records of a level and above: as JSON, one object a line, if format is "json",
// else as text.
func NewLogger(w io.Writer, level slog.Leveler, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
