//go:build unix

package listen

import (
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
)

// limitDescriptors bounds what the process may have open, until the test ends or what it returns is called.
func limitDescriptors(t *testing.T, n int) (restore func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = 0
	for few.Cur < uint64(n) { // whatever the type is here
		few.Cur++
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	restore = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(restore)
	return restore
}

// lowestFree is the number that the next descriptor gets.
func lowestFree(t *testing.T) int {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return int(f.Fd())
}

// Without a descriptor nothing can be accepted. The server goes on, an idle connection makes room, and once there are
// descriptors again everybody gets in.
func TestOutOfDescriptors(t *testing.T) {
	l, seen := open(t, Options{Evict: true})
	serve(t, l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	idle := from(t, l, "127.0.0.1")
	send(t, idle, get)
	wantOK(t, idle)
	late := dialled(t)
	// Every descriptor below the limit is taken: the client's own is there before the limit is.
	restore := limitDescriptors(t, lowestFree(t))
	late.connect(t, l.Addr())
	eventually(t, "accepting fails", func() bool { return seen.failures() > 0 })
	wantClosed(t, "an idle one", idle)
	restore()
	late.get(t)
	c := from(t, l, "127.0.0.1")
	send(t, c, get)
	wantOK(t, c)
}

// The last descriptors aren't for connections.
func TestFewDescriptorsLeft(t *testing.T) {
	l, seen := open(t, Options{})
	hold(t, l)
	from(t, l, "127.0.0.1")
	eventually(t, "it is in", func() bool { return l.Open() == 1 })
	restore := limitDescriptors(t, lowestFree(t)+10)
	wantClosed(t, "one that would take what is spared", from(t, l, "127.0.0.1"))
	restore()
	from(t, l, "127.0.0.1")
	eventually(t, "it is in", func() bool { return l.Open() == 2 })
	seen.wantEnded(t, map[Reason]int{Scarce: 1})
}

// A dialledSocket is a socket that exists before it is connected.
type dialledSocket struct{ fd int }

func dialled(t *testing.T) dialledSocket {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	return dialledSocket{fd}
}

func (s dialledSocket) connect(t *testing.T, to net.Addr) {
	t.Helper()
	at := &syscall.SockaddrInet4{Port: to.(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := syscall.Connect(s.fd, at); err != nil {
		t.Fatal(err)
	}
}

func (s dialledSocket) get(t *testing.T) {
	t.Helper()
	f := os.NewFile(uintptr(s.fd), "socket")
	if _, err := io.WriteString(f, get); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 12)
	if _, err := io.ReadFull(f, b); err != nil || string(b) != "HTTP/1.1 200" {
		t.Errorf("answered %q, %v", b, err)
	}
}
