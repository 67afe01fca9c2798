package engine

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"tianfu/fault"
)

// This file is the suite itself: one function for each part of the promise, in
// the order in which Conform runs them.

func testEnds(h *harness) {
	for _, c := range []struct {
		script string
		want   Exit
	}{
		{"exit 0", Exit{Cause: CauseExit}},
		{"exit 7", Exit{Cause: CauseExit, Code: 7}},
		{"kill -KILL $$", Exit{Cause: CauseSignal, Code: -1, Signal: "SIGKILL"}},
		{"kill -TERM $$", Exit{Cause: CauseSignal, Code: -1, Signal: "SIGTERM"}},
		{"sleep 1000 & exit 4", Exit{Cause: CauseExit, Code: 4}}, // a task is over when its first process is
	} {
		k := h.start(h.order(c.script))
		if got := h.end(k); got != c.want {
			h.Errorf("%s: got %+v, want %+v; stderr %q", c.script, got, c.want, h.log(k, Stderr))
		}
		if h.count(k, Started) != 1 || h.seen[0].Kind == Exited {
			h.Errorf("%s: not started once before its end: %+v", c.script, h.seen)
		}
	}
	o := h.order("")
	o.Command = []string{"no-such-program"}
	if got := h.end(h.start(o)); got.Code != 127 && got.Cause != CauseNotStarted {
		h.Errorf("a program that does not exist: %+v", got)
	}
}

func testOnce(h *harness) {
	o := h.order("echo ran; echo ready; trap 'exit 0' TERM; while :; do sleep 0.05; done")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := h.engine.Start(h.Context(), o); err != nil {
				h.Errorf("start again: %v", err)
			}
		})
	}
	wg.Wait()
	h.ready(o.Key)
	h.start(o)
	h.reopen()
	h.start(o)
	if err := h.engine.Stop(h.Context(), o.Key, patience); err != nil {
		h.Fatal(err)
	}
	h.end(o.Key)
	h.start(o)
	if err := h.engine.Ack(h.Context(), o.Key); err != nil {
		h.Fatal(err)
	}
	h.start(o)
	h.reopen()
	h.start(o)
	// What was started wrongly would be there by the time another has run.
	h.end(h.start(h.order("exit 0")))
	if got := strings.Count(h.log(o.Key, Stdout), "ran\n"); got != 1 {
		h.Errorf("the task ran %d times", got)
	}
	if got := h.state(o.Key); got != Acked {
		h.Errorf("state is %q", got)
	}
	next := o
	next.Key.Generation++
	h.start(next)
	h.ready(next.Key)
	if err := h.engine.Stop(h.Context(), next.Key, patience); err != nil {
		h.Fatal(err)
	}
	if got := h.end(next.Key); got != (Exit{Cause: CauseStopped}) {
		h.Errorf("the next generation: %+v", got)
	}
}

func testStop(h *harness) {
	loop := "; echo ready; while :; do sleep 0.05; done"
	stop := func(o Order, grace time.Duration, want Exit) {
		h.Helper()
		k := h.start(o)
		h.ready(k)
		for range 2 {
			if err := h.engine.Stop(h.Context(), k, grace); err != nil {
				h.Fatalf("stop: %v", err)
			}
		}
		if got := h.end(k); got != want {
			h.Errorf("%s: got %+v, want %+v", o.Command[2], got, want)
		}
		if err := h.engine.Stop(h.Context(), k, grace); err != nil {
			h.Errorf("stop of an ended task: %v", err)
		}
	}
	stop(h.order("trap 'exit 3' TERM"+loop), patience, Exit{Cause: CauseStopped, Code: 3})
	stop(h.order("trap '' TERM"+loop), 10*time.Millisecond, Exit{Cause: CauseStopped, Code: -1, Signal: "SIGKILL"})
	stop(h.order(":"+loop), patience, Exit{Cause: CauseStopped, Code: -1, Signal: "SIGTERM"})
	o := h.order("trap 'echo saved; exit 0' USR1" + loop)
	o.StopSignal = "SIGUSR1"
	stop(o, patience, Exit{Cause: CauseStopped})
	if got := h.log(o.Key, Stdout); got != "ready\nsaved\n" {
		h.Errorf("the stop signal came %q", got)
	}
	// A later stop shortens the grace.
	k := h.start(h.order("trap '' TERM" + loop))
	h.ready(k)
	for _, grace := range []time.Duration{time.Hour, 0} {
		if err := h.engine.Stop(h.Context(), k, grace); err != nil {
			h.Fatal(err)
		}
	}
	h.end(k)
	// A stop that comes before the task has started is not forgotten.
	k = h.start(h.order("while :; do sleep 0.05; done"))
	if err := h.engine.Stop(h.Context(), k, 0); err != nil {
		h.Fatal(err)
	}
	if got := h.end(k); got.Cause != CauseStopped {
		h.Errorf("stopped at once: %+v", got)
	}
}

func testTimeLimit(h *harness) {
	o := h.order("sleep 1000")
	o.TimeLimit = 50 * time.Millisecond
	if got := h.end(h.start(o)); got.Cause != CauseTimeLimit {
		h.Errorf("%+v", got)
	}
	o = h.order("trap '' TERM; echo ready; while :; do sleep 0.05; done")
	o.TimeLimit, o.Grace = 300*time.Millisecond, 10*time.Millisecond
	if got := h.end(h.start(o)); got.Cause != CauseTimeLimit || got.Signal != "SIGKILL" {
		h.Errorf("one that does not listen: %+v", got)
	}
}

func testReopen(h *harness) {
	wait := "trap 'exit 6' TERM; echo ready; while :; do sleep 0.05; done"
	a, b := h.start(h.order(wait)), h.start(h.order(wait))
	short := h.start(h.order("echo ready; sleep 0.1; exit 5"))
	for _, k := range []Key{a, b, short} {
		h.ready(k)
	}
	for range 3 {
		h.reopen()
	}
	h.await(a, Started)
	if got := h.state(a); got != Running {
		h.Errorf("after opening again: %q", got)
	}
	if got := h.end(short); got != (Exit{Cause: CauseExit, Code: 5}) {
		h.Errorf("ended meanwhile: %+v", got)
	}
	for _, k := range []Key{a, b} {
		if err := h.engine.Stop(h.Context(), k, patience); err != nil {
			h.Fatal(err)
		}
		if got := h.end(k); got != (Exit{Cause: CauseStopped, Code: 6}) {
			h.Errorf("attached again: %+v", got)
		}
		if got := h.log(k, Stdout); got != "ready\n" {
			h.Errorf("attached again: wrote %q", got)
		}
	}
}

func testAck(h *harness) {
	k := h.start(h.order("echo words; exit 9"))
	first := h.await(k, Exited)
	h.reopen()
	if again := h.await(k, Exited); again != first {
		h.Errorf("reported again as %+v, was %+v", again, first)
	}
	for range 2 {
		if err := h.engine.Ack(h.Context(), k); err != nil {
			h.Fatalf("ack: %v", err)
		}
	}
	h.reopen()
	h.end(h.start(h.order("exit 0")))
	if h.count(k, Exited, Lost, Started) != 0 {
		h.Errorf("reported after it was acknowledged: %+v", h.seen)
	}
	if got := h.log(k, Stdout); got != "words\n" {
		h.Errorf("its log is %q", got)
	}
	for range 2 {
		if err := h.engine.Forget(h.Context(), k); err != nil {
			h.Fatalf("forget: %v", err)
		}
	}
	if got := h.state(k); got != "" {
		h.Errorf("forgotten, and still %q", got)
	}
}

func testLogs(h *harness) {
	k := h.start(h.order("echo one; echo two >&2; echo ready; trap 'echo last; exit 0' TERM; while :; do sleep 0.05; done"))
	h.ready(k)
	l, err := h.engine.Logs(h.Context(), LogQuery{Key: k, Stream: Stdout, Offset: 4, Follow: true})
	if err != nil {
		h.Fatal(err)
	}
	defer l.Close()
	if err := h.engine.Stop(h.Context(), k, patience); err != nil {
		h.Fatal(err)
	}
	text, err := io.ReadAll(l)
	if err != nil || string(text) != "ready\nlast\n" || l.Offset() != 15 {
		h.Errorf("followed from 4: %q to %d, %v", text, l.Offset(), err)
	}
	if got := h.log(k, Stderr); !strings.HasPrefix(got, "two\n") { // a shell adds a word about its child
		h.Errorf("stderr is %q", got)
	}
	tail, err := h.engine.Logs(h.Context(), LogQuery{Key: k, Stream: Stdout, Offset: -5})
	if err != nil {
		h.Fatal(err)
	}
	defer tail.Close()
	if text, err := io.ReadAll(tail); err != nil || string(text) != "last\n" {
		h.Errorf("the last five bytes: %q, %v", text, err)
	}
}

func testLogBound(h *harness) {
	o := h.order("seq 1 40000; echo end >&2")
	o.LogBytes = 64 << 10
	k := h.start(o)
	l, err := h.engine.Logs(h.Context(), LogQuery{Key: k, Stream: Stdout, Follow: true})
	if err != nil {
		h.Fatal(err)
	}
	defer l.Close()
	h.end(k)
	var all strings.Builder
	for i := 1; i <= 40000; i++ {
		fmt.Fprintln(&all, i)
	}
	text := h.log(k, Stdout)
	if !strings.HasSuffix(all.String(), text) || len(text) > int(o.LogBytes) || len(text) < int(o.LogBytes)/2 {
		h.Errorf("kept %d bytes of %d, bound %d, which end %q", len(text), all.Len(), o.LogBytes, text[max(0, len(text)-20):])
	}
	// A reader that fell behind is told where it is.
	b := make([]byte, 100)
	n, err := l.Read(b)
	at := int(l.Offset()) - n
	if err != nil || at < 0 || string(b[:n]) != all.String()[at:at+n] {
		h.Errorf("a late reader got %q at %d, %v", b[:n], at, err)
	}
}

func testInside(h *harness) {
	h.Setenv("TIANFU_TEST_SECRET", "do-not-pass-on")
	o := h.order(`env; cat; cat sub/a.txt; ./b; pwd; echo "home $HOME tmp $TMPDIR"; touch "$TMPDIR/x" "$HOME/y"`)
	o.Env = map[string]string{"GIVEN": "a b=c", "TIANFU_TASK": "99"}
	o.Files = []File{{Path: "sub/a.txt", Data: []byte("from a\n")}, {Path: "b", Data: []byte("#!/bin/sh\necho from b\n"), Executable: true}}
	k := h.start(o)
	if got := h.end(k); !got.OK() {
		h.Fatalf("%+v: %s", got, h.log(k, Stderr))
	}
	text := h.log(k, Stdout)
	for _, want := range []string{"GIVEN=a b=c\n", "TIANFU_JOB=" + k.Job.String() + "\n", "TIANFU_TASK=0\n", "TIANFU_GENERATION=1\n", "from a\n", "from b\n", "PATH=", "HOME=", "TMPDIR="} {
		if !strings.Contains(text, want) {
			h.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "do-not-pass-on") {
		h.Errorf("the server's environment is visible:\n%s", text)
	}
	for line := range strings.Lines(text) {
		if name, _, ok := strings.Cut(line, "="); ok && !strings.Contains("GIVEN HOME LANG OLDPWD PATH PWD SHLVL TMPDIR _ TIANFU_JOB TIANFU_TASK TIANFU_GENERATION CUDA_VISIBLE_DEVICES ASCEND_RT_VISIBLE_DEVICES HIP_VISIBLE_DEVICES", name) {
			h.Errorf("unexpected in the environment: %s", line)
		}
	}
}

func testUse(h *harness) {
	k := h.start(h.order("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"))
	u := h.await(k, Exited).Usage
	if u.CPUMicros < 1000 || u.MemoryPeak < 4096 || u.WallMicros < u.CPUMicros/64 || u.ByteSeconds <= 0 {
		h.Errorf("implausible: %+v", u)
	}
}

func testErrors(h *harness) {
	ctx := h.Context()
	kind := func(what string, err error, want fault.Kind) {
		h.Helper()
		if err == nil || fault.KindOf(err) != want {
			h.Errorf("%s: got %v, want kind %s", what, err, want)
		}
	}
	unknown := Key{Job: 999, Generation: 1}
	_, err := h.engine.Logs(ctx, LogQuery{Key: unknown, Stream: Stdout})
	kind("logs of an unknown key", err, fault.NotFound)
	kind("stop of an unknown key", h.engine.Stop(ctx, unknown, 0), fault.NotFound)
	kind("ack of an unknown key", h.engine.Ack(ctx, unknown), fault.NotFound)
	if err := h.engine.Forget(ctx, unknown); err != nil {
		h.Errorf("forget of an unknown key: %v", err)
	}
	empty := h.order("")
	empty.Command = nil
	kind("an order without a command", h.engine.Start(ctx, empty), fault.Invalid)
	escape := h.order("exit 0")
	escape.Files = []File{{Path: "../../x"}}
	kind("a file outside the working directory", h.engine.Start(ctx, escape), fault.Invalid)
	image := h.order("exit 0")
	image.Image = "no.such.registry.invalid/image:1"
	if err := h.engine.Start(ctx, image); err == nil {
		h.Errorf("an image that cannot be run was accepted")
	}
	k := h.start(h.order("echo ready; while :; do sleep 0.05; done"))
	h.ready(k)
	_, err = h.engine.Logs(ctx, LogQuery{Key: k, Stream: "third"})
	kind("a stream that does not exist", err, fault.Invalid)
	kind("ack of a running task", h.engine.Ack(ctx, k), fault.Conflict)
	kind("forget of a running task", h.engine.Forget(ctx, k), fault.Conflict)
	if err := h.engine.Stop(ctx, k, 0); err != nil {
		h.Fatal(err)
	}
	h.end(k)
	kind("forget before ack", h.engine.Forget(ctx, k), fault.Conflict)
	if err := h.engine.Close(); err != nil {
		h.Fatal(err)
	}
	kind("start on a closed engine", h.engine.Start(ctx, h.order("exit 0")), fault.Unavailable)
	if _, open := <-h.engine.Reports(); open {
		for range h.engine.Reports() {
		}
	}
}
