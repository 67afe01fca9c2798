package engine

import (
	"strings"
	"testing"
	"time"

	"tianfu/fault"
)

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"j-42.0.1", "j-0.0.0", "j-1.2", "j-01.0.0", "j-1.-1.0", "../j-1.0.0", "j-18446744073709551615.2147483647.4294967295"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: kind %s", s, fault.KindOf(err))
			}
			return
		}
		if k.String() != s {
			t.Errorf("%q became %q", s, k)
		}
	})
}

func TestOrderCheck(t *testing.T) {
	good := Order{Key: Key{Job: 1}, Command: []string{"true"}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Order){
		"no command":        func(o *Order) { o.Command = nil },
		"empty program":     func(o *Order) { o.Command = []string{""} },
		"NUL":               func(o *Order) { o.Command = []string{"a\x00b"} },
		"command too large": func(o *Order) { o.Command = []string{string(make([]byte, MaxText))} },
		"negative memory":   func(o *Order) { o.Memory = -1 },
		"negative limit":    func(o *Order) { o.TimeLimit = -time.Second },
		"long grace":        func(o *Order) { o.Grace = MaxGrace + 1 },
		"SIGKILL":           func(o *Order) { o.StopSignal = "SIGKILL" },
		"variable":          func(o *Order) { o.Env = map[string]string{"A=B": "c"} },
		"absolute file":     func(o *Order) { o.Files = []File{{Path: "/etc/passwd"}} },
		"file above":        func(o *Order) { o.Files = []File{{Path: "../x"}} },
		"unclean file":      func(o *Order) { o.Files = []File{{Path: "a/../../x"}} },
		"large files":       func(o *Order) { o.Files = []File{{Path: "a", Data: make([]byte, MaxFileBytes+1)}} },
		"relative mount":    func(o *Order) { o.Mounts = []Mount{{Source: "a", Target: "/a"}} },
		"mount of all":      func(o *Order) { o.Mounts = []Mount{{Source: "/", Target: "/a"}} },
		"mount over proc":   func(o *Order) { o.Mounts = []Mount{{Source: "/a", Target: "/proc/x"}} },
		"mount over libs":   func(o *Order) { o.Mounts = []Mount{{Source: "/a", Target: "/usr/bin"}} },
		"mount over etc":    func(o *Order) { o.Mounts = []Mount{{Source: "/a", Target: "/etc"}} },
		"mount over names":  func(o *Order) { o.Mounts = []Mount{{Source: "/a", Target: "/var/run/nscd"}} },
		"mount in a mount":  func(o *Order) { o.Mounts = []Mount{{Source: "/a", Target: "/d"}, {Source: "/b", Target: "/d/l"}} },
		"mount on a mount":  func(o *Order) { o.Mounts = []Mount{{Source: "/a", Target: "/d/l"}, {Source: "/b", Target: "/d"}} },
		"mount in a keep": func(o *Order) {
			o.Keep, o.Mounts = "checkpoint", []Mount{{Source: "/a", Target: "/work/checkpoint/l"}}
		},
		"mount on a file": func(o *Order) {
			o.Files, o.Mounts = []File{{Path: "d/f"}}, []Mount{{Source: "/a", Target: "/work/d"}}
		},
		"long name":       func(o *Order) { o.Files = []File{{Path: strings.Repeat("a", 256)}} },
		"one file twice":  func(o *Order) { o.Files = []File{{Path: "a"}, {Path: "a"}} },
		"file below file": func(o *Order) { o.Files = []File{{Path: "a/b/c"}, {Path: "a"}} },
		"device":          func(o *Order) { o.Devices = []Device{{UUID: "a,b"}} },
		"image":           func(o *Order) { o.Image = "a\x00" },
	} {
		o := good
		spoil(&o)
		if err := o.Check(); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMountsBesideTheSystem(t *testing.T) {
	for _, o := range []Order{
		{Mounts: []Mount{{Source: "/a", Target: "/data/a"}, {Source: "/a", Target: "/data/ab"}, {Source: "/a", Target: "/usrlocal"}, {Source: "/var/lib/sets", Target: "/var/lib/sets"}}},
		{Mounts: []Mount{{Source: "/a", Target: "/work/d"}, {Source: "/a", Target: "/tmp/x"}}, Files: []File{{Path: "e"}, {Path: "de"}}},
		{Mounts: []Mount{{Source: "/a", Target: "/usr/local/models"}}, Image: "dir:/srv/images/x"}, // the image is its system
		{Mounts: []Mount{{Source: "/a", Target: "/work/checkpoints"}}, Keep: "checkpoint"},
	} {
		o.Key, o.Command = Key{Job: 1}, []string{"true"}
		if err := o.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestLevelsAreOrdered(t *testing.T) {
	levels := []Level{LevelProcess, LevelLandlock, LevelSandbox}
	for i, a := range levels {
		for j, b := range levels {
			if a.AtLeast(b) != (i >= j) {
				t.Errorf("%s at least %s: %v", a, b, a.AtLeast(b))
			}
		}
	}
}
