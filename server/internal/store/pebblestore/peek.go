package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A glimpse is what a database says of itself to those who change nothing.
type glimpse struct {
	tables   uint64          // the newest batch that lies in tables, with all before it
	files    map[string]bool // the tables
	identity event.Identity
	home     home
}

var errNoRecords = errors.New("the database has no record of a store")

// peek opens the database without changing anything, and without its write-ahead logs unless they are asked for: replaying
// them takes long, and opening does it once more. It fails with errNoRecords if no store is in what it sees.
func (l *Log) peek(f folder, logs bool) (g glimpse, err error) {
	o := l.opts
	o.CacheBytes = peekCache
	hide := func(name string) bool { return name == l.badOptions || !logs && strings.HasSuffix(name, ".log") }
	db, err := l.openPebble(o, func(p *pebble.Options) { p.FS, p.Lock, p.ReadOnly = readOnlyFS{l.opts.FS, hide}, nil, true })
	if err != nil {
		return g, f.tableError(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkVersion(db); err != nil {
		return g, err
	}
	if g.identity, err = identityIn(db); err != nil {
		return g, err
	}
	if g.home, err = homeIn(db); err != nil {
		return g, err
	}
	h, err := tablesHead(db)
	if err != nil {
		return g, err
	}
	g.tables = h.commit
	g.files, err = tableFiles(db)
	return g, err
}

// peekCache is enough for the few records that peek reads, in bytes.
const peekCache = 1 << 20

// checkVersion tells a store from another program's database, and from a newer gateway's.
func checkVersion(db *pebble.DB) error {
	version, err := getFrom(db, []byte{keyVersion})
	if errors.Is(err, pebble.ErrNotFound) {
		return errNoRecords
	}
	if err != nil {
		return err
	}
	r := reader{version}
	if v := r.varint(); v > layoutVersion {
		return fmt.Errorf("it was written by a newer gateway: its layout is %d, and this gateway knows up to %d; the newer one must open it", v, layoutVersion)
	}
	return nil
}

// tableFiles returns the names of the tables of a database.
func tableFiles(db *pebble.DB) (map[string]bool, error) {
	levels, err := db.SSTables()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, level := range levels {
		for _, table := range level {
			names[table.BackingSSTNum.String()+".sst"] = true
		}
	}
	return names, nil
}

// strays returns the tables in a folder that a database doesn't know. A crash leaves some; many may mean that its manifest is
// an older copy.
func (g glimpse) strays(f folder) []string {
	return slices.DeleteFunc(f.ending(".sst"), func(name string) bool { return g.files[name] })
}

// badTable is how Pebble says that a table is missing or has another size than its manifest says.
var badTable = regexp.MustCompile(`(?m)L\d: (\d{6,}): `)

// tableError names the tables for which Pebble refuses to open.
func (f folder) tableError(err error) error {
	var gone, wrong []string
	for _, match := range badTable.FindAllStringSubmatch(err.Error(), -1) {
		if name := match[1] + ".sst"; f.has(name) {
			wrong = append(wrong, name)
		} else {
			gone = append(gone, name)
		}
	}
	var problems []string
	if len(gone) > 0 {
		problems = append(problems, some(gone)+" missing")
	}
	if len(wrong) > 0 {
		problems = append(problems, some(wrong)+" not as long as when written")
	}
	if len(problems) == 0 {
		return err
	}
	return incomplete("of its tables, %s (unless %s or %s* is an older copy)", strings.Join(problems, "; "), f.marked(manifestMarker), manifestMarker)
}

// hideOptions hides the newest OPTIONS from Pebble if that would refuse it, as it does if half of it is missing. It would only
// compare what the manifest tells as well, and writes another one.
func (l *Log) hideOptions(f folder) error {
	newest := ""
	for _, name := range f.names {
		if strings.HasPrefix(name, "OPTIONS-") && len(name) >= len(newest) {
			newest = name // names are sorted
		}
	}
	if newest == "" {
		return nil
	}
	text, err := readFile(f.fs, f.path(newest))
	if err != nil {
		return err
	}
	p := l.opts.pebble()
	p.EnsureDefaults()
	if err := p.CheckCompatibility(l.dir, string(text)); err != nil {
		l.badOptions = newest
		l.opts.Logger.Warn("a file that isn't needed is damaged and passed over", "dir", l.dir, "file", newest, "err", err)
	}
	return nil
}

// A readOnlyFS refuses every change, and hides some files.
type readOnlyFS struct {
	vfs.FS
	hide func(name string) bool
}

var errReadOnly = errors.New("nothing may be changed before the store is known to be whole")

func (r readOnlyFS) Unwrap() vfs.FS { return r.FS }

func (r readOnlyFS) List(dir string) ([]string, error) {
	names, err := r.FS.List(dir)
	return slices.DeleteFunc(names, r.hide), err
}

func (r readOnlyFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (r readOnlyFS) Create(string, vfs.DiskWriteCategory) (vfs.File, error) { return nil, errReadOnly }

func (r readOnlyFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, errReadOnly
}

func (r readOnlyFS) ReuseForWrite(string, string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, errReadOnly
}

func (r readOnlyFS) Link(string, string) error          { return errReadOnly }
func (r readOnlyFS) Remove(string) error                { return errReadOnly }
func (r readOnlyFS) RemoveAll(string) error             { return errReadOnly }
func (r readOnlyFS) Rename(string, string) error        { return errReadOnly }
func (r readOnlyFS) MkdirAll(string, os.FileMode) error { return errReadOnly }
