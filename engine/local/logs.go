package local

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/unit"
)

// A stream's log is a row of segments, each named by the offset of its first
// byte: "stdout.00000000000000000000". The oldest goes when the bound is
// reached; so a reader always knows where it is, and nothing is ever renamed
// under it.
const segments = 4

// logs takes both outputs of a task.
type logs struct {
	dir            taskDir
	stdout, stderr *stream
}

type stream struct {
	end  uintptr  // write end, for the task
	read *os.File // ours
	done chan struct{}
	log  *logWriter
}

func openLogs(dir taskDir, bound int64) (*logs, error) {
	l := &logs{dir: dir}
	var err error
	if l.stdout, err = openStream(dir, engine.Stdout, bound); err != nil {
		return nil, err
	}
	if l.stderr, err = openStream(dir, engine.Stderr, bound); err != nil {
		return nil, err
	}
	return l, nil
}

func openStream(dir taskDir, name engine.Stream, bound int64) (*stream, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(p[0], true); err != nil {
		return nil, err
	}
	s := &stream{end: uintptr(p[1]), read: os.NewFile(uintptr(p[0]), string(name)), done: make(chan struct{})}
	s.log = &logWriter{dir: string(dir), name: string(name), segment: max(1, bound/segments)}
	go func() {
		defer close(s.done)
		_, _ = io.CopyBuffer(struct{ io.Writer }{s.log}, struct{ io.Reader }{s.read}, make([]byte, 32<<10))
	}()
	return s, nil
}

// drain waits for the rest of the output once the task is gone. Nobody can hold
// the pipes then but a process that the kernel cannot end: hence the bound.
func (l *logs) drain() {
	for _, s := range []*stream{l.stdout, l.stderr} {
		_ = s.read.SetReadDeadline(time.Now().Add(2 * time.Second))
		<-s.done
	}
}

func (l *logs) close() {
	for _, s := range []*stream{l.stdout, l.stderr} {
		s.read.Close()
		<-s.done
		s.log.close()
	}
}

// end says what was dropped, as far as the disk takes it, and returns of each
// stream what is not said; nil = nothing. It is to be called after drain.
func (l *logs) end() (stdout, stderr *dropped) {
	of := func(w *logWriter) *dropped {
		if w.lost.Bytes == 0 || w.tell() {
			return nil
		}
		return &w.lost
	}
	return of(l.stdout.log), of(l.stderr.log)
}

// head returns the first line of what was written to stderr.
func (l *logs) head() string {
	names := segmentsOf(string(l.dir), string(engine.Stderr))
	if len(names) == 0 {
		return "it said nothing"
	}
	text, _ := os.ReadFile(filepath.Join(string(l.dir), names[0].name))
	line, _, _ := strings.Cut(string(text[:min(len(text), maxDetail)]), "\n")
	return line
}

// logWriter writes segments. A write that the disk refuses is dropped, and the
// task goes on: its work is worth more than its words. How much was dropped is
// said in the log once there is room again.
type logWriter struct {
	dir, name string
	segment   int64 // bytes of one
	offset    int64 // of the next byte
	left      int64 // room in the open segment
	f         *os.File
	kept      []string
	lost      dropped   // what was dropped and is not said yet
	tried     time.Time // when it was last tried to say so
}

// Write never fails: an error would end the copying, and the task would block.
func (w *logWriter) Write(p []byte) (int, error) {
	n := len(p)
	// A disk at its brim takes a little now and then: one note a second is enough.
	if w.lost.Bytes > 0 && (time.Since(w.tried) < time.Second || !w.tell()) {
		w.drop(n)
	} else if k := w.put(p); k < n {
		w.drop(n - k)
	}
	return n, nil
}

func (w *logWriter) drop(n int) {
	if w.lost.To = now(); w.lost.Bytes == 0 {
		w.lost.From, w.tried = w.lost.To, time.Now()
	}
	w.lost.Bytes += int64(n)
}

// tell says in the log what was dropped, whole or not at all.
func (w *logWriter) tell() bool {
	w.tried = time.Now()
	note := []byte(w.lost.String())
	if w.f == nil || w.left < int64(len(note)) {
		if !w.next() {
			return false
		}
	}
	before := w.segment - w.left
	if k := w.put(note); k < len(note) {
		if w.f != nil && w.f.Truncate(before) == nil {
			w.offset -= int64(k)
			w.left += int64(k)
		}
		return false
	}
	w.lost = dropped{}
	return true
}

// put writes as much as the disk takes.
func (w *logWriter) put(p []byte) (n int) {
	for len(p) > 0 {
		if w.f == nil || w.left == 0 {
			if !w.next() {
				return n
			}
		}
		k, err := w.f.Write(p[:min(int64(len(p)), w.left)])
		w.offset += int64(k)
		w.left -= int64(k)
		n += k
		if err != nil {
			return n
		}
		p = p[k:]
	}
	return n
}

func (w *logWriter) next() bool {
	w.close()
	for len(w.kept) >= segments {
		_ = os.Remove(filepath.Join(w.dir, w.kept[0]))
		w.kept = w.kept[1:]
	}
	name := fmt.Sprintf("%s.%020d", w.name, w.offset)
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return false
	}
	if len(w.kept) == 0 || w.kept[len(w.kept)-1] != name {
		w.kept = append(w.kept, name)
	}
	w.f, w.left = f, w.segment
	return true
}

func (w *logWriter) close() {
	if w.f != nil {
		w.f.Close()
		w.f = nil
	}
}

// dropped is what a task wrote while the disk was full.
type dropped struct {
	Bytes int64        `json:"bytes"`
	From  unit.Instant `json:"from"`
	To    unit.Instant `json:"to"`
}

// String is the line that stands in the log instead.
func (l *dropped) String() string {
	return fmt.Sprintf("\n[tianfu: %d bytes that the task wrote here from %s to %s were dropped: the disk was full]\n", l.Bytes, second(l.From), second(l.To))
}

func second(at unit.Instant) string { return time.Unix(0, int64(at)).UTC().Format(time.RFC3339) }

type segment struct {
	name   string
	offset int64
}

// segmentsOf lists what is there of a stream, oldest first.
func segmentsOf(dir, name string) []segment {
	entries, _ := os.ReadDir(dir)
	var out []segment
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), name+"."); ok {
			if n, err := strconv.ParseInt(rest, 10, 64); err == nil {
				out = append(out, segment{e.Name(), n})
			}
		}
	}
	slices.SortFunc(out, func(a, b segment) int { return int(min(max(a.offset-b.offset, -1), 1)) })
	return out
}
