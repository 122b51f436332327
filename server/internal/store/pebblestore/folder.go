package pebblestore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A folder is what stands in a store's directory, by name. It is looked at before Pebble is: that makes a new database wherever
// it finds no marker of a manifest, and then deletes every table that the new database doesn't know.
type folder struct {
	fs    vfs.FS
	dir   string
	names []string // sorted
}

const (
	manifestMarker = "marker.manifest."
	formatMarker   = "marker.format-version."
	lockFile       = "LOCK"
	exportsFolder  = "exports"
	// creatingFile is there from before a store's first file until the store is whole.
	creatingFile = "straw-creating"
	ownPrefix    = "straw-"
)

// readFolder lists a directory. One that doesn't exist is as good as an empty one.
func readFolder(filesystem vfs.FS, dir string) (folder, error) {
	f := folder{fs: filesystem, dir: dir}
	names, err := filesystem.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	slices.Sort(names)
	f.names = names
	return f, nil
}

func (f folder) has(name string) bool { return slices.Contains(f.names, name) }

func (f folder) path(name string) string { return f.fs.PathJoin(f.dir, name) }

// ending returns the files whose names are a number with this ending.
func (f folder) ending(suffix string) (names []string) {
	for _, name := range f.names {
		stem, ok := strings.CutSuffix(name, suffix)
		if _, err := strconv.ParseUint(stem, 10, 64); ok && err == nil {
			names = append(names, name)
		}
	}
	return names
}

// marked returns what the newest marker of a kind says: markers are empty files, marker.KIND.NUMBER.VALUE. Empty if there is
// none.
func (f folder) marked(prefix string) (value string) {
	newest := uint64(0)
	for _, name := range f.names {
		rest, ok := strings.CutPrefix(name, prefix)
		number, text, _ := strings.Cut(rest, ".")
		if n, err := strconv.ParseUint(number, 10, 64); ok && err == nil && n >= newest {
			newest, value = n, text
		}
	}
	return value
}

// isDatabase reports whether any of Pebble's files is there, the lock aside, which is there before all others.
func (f folder) isDatabase() bool {
	return len(f.ending(".sst"))+len(f.ending(".log")) > 0 || slices.ContainsFunc(f.names, func(name string) bool {
		return strings.HasPrefix(name, "marker.") || strings.HasPrefix(name, "MANIFEST-") || strings.HasPrefix(name, "OPTIONS-") ||
			name == "CURRENT"
	})
}

// remains returns what stands in a folder without a database and means that it isn't a place for a new one. Empty folders,
// such as mount points, mean nothing; nor does what a file system keeps at its top.
func (f folder) remains() (names []string, err error) {
	for _, name := range f.names {
		if name == creatingFile || name == "lost+found" {
			continue
		}
		info, err := f.fs.Stat(f.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		nothing := name == lockFile && info.Size() == 0
		if info.IsDir() {
			inside, err := f.fs.List(f.path(name))
			if err != nil {
				return nil, err
			}
			inside = slices.DeleteFunc(inside, func(name string) bool { return name == lockFile || name == "lost+found" })
			nothing = len(inside) == 0
		}
		if !nothing {
			names = append(names, name)
		}
	}
	return names, nil
}

// refuseRemains refuses a folder that has no database and isn't empty.
func refuseRemains(names []string) error {
	ours := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, ownPrefix) && name != exportsFolder })
	if len(ours) == 0 {
		return fmt.Errorf("the folder isn't empty and has no store in it, but %s; nothing in it was changed: name a folder that holds a store, or an empty one for a new store",
			some(names))
	}
	return incomplete("all of the database is missing (marker.manifest.*, marker.format-version.*, MANIFEST-*, *.log, *.sst) while %s is still there; for a new store, name an empty folder", some(ours))
}

// incomplete is the error for a store of which something is missing.
func incomplete(format string, args ...any) error {
	return fmt.Errorf("%w: %s; nothing in the folder was changed: put back what is missing, or restore a backup", event.ErrCorrupt, fmt.Sprintf(format, args...))
}

// some lists the first of many names.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// check fails if one of the files is missing, or empty, that must be there for Pebble to know what the others are.
func (f folder) check() error {
	manifest := f.marked(manifestMarker)
	switch {
	case manifest == "" && f.has("CURRENT"):
		return errors.New("the folder holds another program's database, with a file CURRENT; nothing in it was changed: name a folder that holds a store, or an empty one for a new store")
	case manifest == "":
		return incomplete("%s* is missing, the empty file whose name says which MANIFEST counts", manifestMarker)
	case f.marked(formatMarker) == "":
		return incomplete("%s* is missing, the empty file whose name says the format of the others", formatMarker)
	case !f.has(manifest):
		return incomplete("%s is missing, which says what is in the tables", manifest)
	case len(f.ending(".log")) == 0:
		return incomplete("the write-ahead log is missing, *.log, with the newest events")
	}
	if info, err := f.fs.Stat(f.path(manifest)); err != nil || info.Size() == 0 {
		return errors.Join(err, incomplete("%s is empty, which says what is in the tables", manifest))
	}
	return nil
}
