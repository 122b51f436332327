package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// languages are those that have a client.
var languages = []string{"go", "typescript", "python", "java", "rust"}

// buildTimeout bounds the build of one driver: a first one compiles all that a client depends on.
const buildTimeout = 15 * time.Minute

// buildDriver builds a language's driver and returns what to run. Go's is a program of this module; the others have two
// executables in their folder, `build` and `run`.
func buildDriver(ctx context.Context, language string) (path string, err error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	folder, err := filepath.Abs(filepath.Join("drivers", language))
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "run")
	build := exec.CommandContext(ctx, filepath.Join(folder, "build"))
	if language == "go" {
		path = filepath.Join(scratch, "driver-go")
		build = exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	}
	build.Dir = folder
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the driver can't be built: %w\n%s", err, out)
	}
	_, err = os.Stat(path)
	return path, err
}

// startDriver runs a driver with its argument.
func startDriver(path, name string, argument map[string]any) (*process, error) {
	text, err := json.Marshal(argument)
	if err != nil {
		return nil, err
	}
	op, _ := argument["op"].(string)
	return start(name, op, exec.Command(path, string(text)), func(printed string) (has map[string]any, err error) {
		if err := json.Unmarshal([]byte(printed), &has); err != nil {
			return nil, fmt.Errorf("the driver printed what is no JSON object: %q", printed)
		}
		return has, nil
	})
}
