// Command straw is the gateway, and what one needs to work with it; `straw help` lists it all.
package main

import (
	"os"

	"github.com/straw-gateway/straw/server/internal/cli"
)

// version is set by the build; without that the module's own counts.
var version string

func main() { os.Exit(cli.Main(version)) }
