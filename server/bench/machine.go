package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is where a run took place.
type Machine struct {
	CPU      string
	Cores    int
	MemoryGB float64
	Kernel   string
	Go       string
	Disk     string // the file system type of the directory that stores lie in
	Load     string // /proc/loadavg before the run: what else the machine was busy with
	// SyncP50 and SyncP99 are in milliseconds: the fdatasync of one appended record of 1 KiB.
	SyncP50, SyncP99 float64
}

func describeMachine(dir string, syncs int) (m Machine, err error) {
	m = Machine{CPU: cpuModel(), Cores: runtime.NumCPU(), Go: runtime.Version()}
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err == nil {
		m.Kernel = unix.ByteSliceToString(kernel.Release[:])
	}
	var memory unix.Sysinfo_t
	if err := unix.Sysinfo(&memory); err == nil {
		m.MemoryGB = float64(memory.Totalram) * float64(memory.Unit) / 1e9
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err == nil {
		m.Disk = fmt.Sprintf("%#x", disk.Type)
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.TrimSpace(string(load))
	}
	times, err := timeSyncs(dir, syncs, latencyRate)
	m.SyncP50, m.SyncP99 = milliseconds(percentile(times, 0.5)), milliseconds(percentile(times, 0.99))
	return m, err
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// timeSyncs appends records of 1 KiB to a file at a rate, as a write-ahead log does, and times the fdatasync of each. A disk's
// slow moments come seldom: only a stretch as long as what it is compared with meets as many.
func timeSyncs(dir string, count, rate int) ([]time.Duration, error) {
	file, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}()
	record := make([]byte, 1024)
	times := make([]time.Duration, count)
	due := time.NewTicker(time.Second / time.Duration(rate))
	defer due.Stop()
	for i := range times {
		<-due.C
		if _, err := file.Write(record); err != nil {
			return nil, err
		}
		began := monotonic()
		if err := unix.Fdatasync(int(file.Fd())); err != nil {
			return nil, err
		}
		times[i] = monotonic() - began
	}
	return times, nil
}

// raiseOpenFiles lets this process and its children open as many files as the hard limit allows.
func raiseOpenFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
