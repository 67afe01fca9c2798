package local

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"tianfu/engine"
	"tianfu/fault"
)

// lookEvery is how often a following reader looks for more.
const lookEvery = 50 * time.Millisecond

// logReader reads the segments of a stream from an offset on.
type logReader struct {
	ctx    context.Context
	dir    func() taskDir // it moves when the key is acknowledged
	name   string
	follow bool
	offset int64
	f      *os.File
	start  int64  // of the open segment
	end    int64  // of the open segment, where the next begins; -1 while it is the last
	note   []byte // of what was dropped at the end, as far as it is not read; nil until the end
}

// Logs reads what a task wrote.
func (e *Engine) Logs(ctx context.Context, q engine.LogQuery) (engine.Log, error) {
	if q.Stream != engine.Stdout && q.Stream != engine.Stderr {
		return nil, fault.Invalidf("logs of "+q.Key.String(), "stream %q is not stdout or stderr", q.Stream)
	}
	t, err := e.find(q.Key, "logs of")
	if err != nil {
		return nil, err
	}
	r := &logReader{ctx: ctx, dir: func() taskDir { return e.dirOf(t) }, name: string(q.Stream), follow: q.Follow, offset: q.Offset}
	if q.Offset < 0 {
		r.offset = max(0, r.size()+q.Offset)
	}
	return r, nil
}

// Offset is where in the stream the next Read begins.
func (r *logReader) Offset() int64 { return r.offset }

// Read returns what there is, or waits for it when following.
func (r *logReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		// Asked before reading: what ended before has written all it ever will.
		j, err := r.dir().journal()
		if err != nil {
			return 0, err
		}
		n, err := r.take(p)
		if n > 0 || err != nil {
			return n, err
		}
		if j.ended != nil {
			return r.last(p, j.ended)
		}
		if !r.follow {
			return 0, io.EOF
		}
		select {
		case <-r.ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// last reads the note of what was dropped at the end, which the disk had no room
// for, and then the end. Who has read the note before begins beyond the log.
func (r *logReader) last(p []byte, o *outcome) (int, error) {
	l := o.LostOut
	if r.name == string(engine.Stderr) {
		l = o.LostErr
	}
	if l == nil {
		return 0, io.EOF
	}
	if r.note == nil {
		text, end := l.String(), r.size()
		r.note = []byte(text[min(max(r.offset-end, 0), int64(len(text))):])
	}
	if len(r.note) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.note)
	r.note, r.offset = r.note[n:], r.offset+int64(n)
	return n, nil
}

// size is how much the log holds, with what was removed of it.
func (r *logReader) size() int64 {
	list := segmentsOf(string(r.dir()), r.name)
	if len(list) == 0 {
		return 0
	}
	last := list[len(list)-1]
	if info, err := os.Stat(r.dir().path(last.name)); err == nil {
		return last.offset + info.Size()
	}
	return last.offset
}

// take reads once; 0 without error means that there is nothing more yet.
func (r *logReader) take(p []byte) (int, error) {
	for range 4 * segments {
		if r.f == nil && !r.open() {
			return 0, nil
		}
		room := int64(len(p))
		if r.end >= 0 {
			room = min(room, r.end-r.offset)
		}
		if room > 0 {
			n, err := r.f.Read(p[:room])
			if n > 0 {
				r.offset += int64(n)
				return n, nil
			}
			if err != io.EOF {
				return 0, err
			}
		}
		if !r.moveOn() {
			return 0, nil
		}
	}
	return 0, nil
}

// open finds the segment that holds the offset, or the oldest after it.
func (r *logReader) open() bool {
	dir := r.dir()
	list := segmentsOf(string(dir), r.name)
	for i, s := range list {
		end := int64(-1)
		if i+1 < len(list) {
			end = list[i+1].offset
		}
		if end >= 0 && end <= r.offset {
			continue
		}
		f, err := os.Open(filepath.Join(string(dir), s.name))
		if err != nil {
			return false // removed since it was listed: look again
		}
		if s.offset > r.offset {
			r.offset = s.offset
		}
		size := int64(0)
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		if end < 0 && r.offset > s.offset+size && !r.follow {
			r.offset = s.offset + size
		}
		if _, err := f.Seek(r.offset-s.offset, io.SeekStart); err != nil {
			f.Close()
			return false
		}
		r.f, r.start, r.end = f, s.offset, end
		return true
	}
	return false
}

// moveOn goes to the next segment when there is one; before that it reads what
// was written to this one between the last look and the rotation.
func (r *logReader) moveOn() bool {
	if r.end < 0 {
		for _, s := range segmentsOf(string(r.dir()), r.name) {
			if s.offset > r.start {
				r.end = s.offset
				return true
			}
		}
		return false
	}
	r.offset = max(r.offset, r.end)
	r.f.Close()
	r.f, r.end = nil, -1
	return true
}

// Close ends reading.
func (r *logReader) Close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	return f.Close()
}
