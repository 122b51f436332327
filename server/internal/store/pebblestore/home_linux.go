package pebblestore

import (
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// fickle are file systems that may number a folder anew when they are mounted: FAT, exFAT, FUSE, 9P and SMB.
var fickle = []uint32{unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC}

// numbered are file systems whose number comes from the volume's UUID, not from the device: ext4 and Btrfs.
var numbered = []uint32{unix.EXT4_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC}

func homeOf(dir string) (home, error) {
	var kind unix.Statfs_t
	if err := unix.Statfs(dir, &kind); err != nil {
		return home{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if slices.Contains(fickle, uint32(kind.Type)) {
		return home{}, nil
	}
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return home{}, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	h := home{inode: s.Ino}
	if slices.Contains(numbered, uint32(kind.Type)) {
		h.volume = uint64(uint32(kind.Fsid.Val[0])) | uint64(uint32(kind.Fsid.Val[1]))<<32
	}
	var x unix.Statx_t // which old kernels, and some sandboxes, don't have
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_BTIME, &x); err == nil && x.Mask&unix.STATX_BTIME != 0 && x.Btime.Sec > 0 {
		h.born = time.Unix(x.Btime.Sec, int64(x.Btime.Nsec)).UnixNano()
	}
	return h, nil
}

// holdFolder keeps other processes out of a folder without a file in it, which somebody might remove. Not every file system
// can.
func holdFolder(dir string) (io.Closer, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
