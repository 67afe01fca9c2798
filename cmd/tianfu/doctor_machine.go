package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/fault"
	"tianfu/store/bolt"
)

// checkClock looks whether the clock is plausible, goes at the pace of the
// monotonic one, and is kept by somebody.
func checkClock() []finding {
	now := time.Now()
	f := finding{Name: "clock", OK: now.Year() >= 2025, Detail: now.UTC().Format(time.RFC3339)}
	if !f.OK {
		f.Fix = "set the clock; run chrony or systemd-timesyncd"
	}
	return []finding{f, checkPace(now), checkSynchronised()}
}

// checkPace compares the two clocks over a moment: a step or a strong slew
// would show in every measured run time.
func checkPace(began time.Time) finding {
	time.Sleep(50 * time.Millisecond)
	ended := time.Now()
	apart := ended.Round(0).Sub(began.Round(0)) - ended.Sub(began) // wall clock against monotonic
	f := finding{Name: "clock pace", OK: apart.Abs() < 5*time.Millisecond, Detail: fmt.Sprintf("wall and monotonic clock %v apart over 50ms", apart)}
	if !f.OK {
		f.Fix = "the clock is being stepped: let chrony slew it, and start the centre when it is steady"
	}
	return f
}

// checkSynchronised asks the kernel whether somebody disciplines the clock.
func checkSynchronised() finding {
	f := finding{Name: "clock synchronised", OK: true}
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	const unsynchronised = 0x40 // STA_UNSYNC
	switch {
	case err != nil:
		f.Detail, f.Fix = "the kernel does not say: "+err.Error(), "make sure that the host's clock is kept by NTP"
	case state == unix.TIME_ERROR || t.Status&unsynchronised != 0:
		f.Detail, f.Fix = "not by this kernel's account", "run chrony or systemd-timesyncd, here or on the host: tariffs, deadlines and several machines need one time"
	default:
		f.Detail = fmt.Sprintf("by NTP, error at most %v", time.Duration(t.Maxerror)*time.Microsecond)
		if f.OK = t.Maxerror < 1_000_000; !f.OK {
			f.Fix = "its time servers are too far or gone: see chronyc tracking"
		}
	}
	return f
}

// fileSystems that other machines hold, by the kernel's number: a lock there
// does not keep a second centre out, and a flush may not reach a disk.
var fileSystems = map[int64]string{0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB", 0x65735546: "FUSE", 0x01021994: "tmpfs"}

// checkFileSystem looks at what the data directory lies on, and at the record
// log in it when no centre has it.
func checkFileSystem(at string, s *syscall.Statfs_t, data string) []finding {
	f := finding{Name: "file system", OK: true, Detail: fmt.Sprintf("of %s, %d files may be added", at, s.Ffree)}
	if name := fileSystems[int64(s.Type)&0xffffffff]; name != "" {
		f.Detail, f.Fix = at+" is on "+name, "put the data directory on a disk of this machine: records must outlive a loss of power"
	}
	if s.Files > 0 && s.Ffree < 10_000 {
		f.OK, f.Fix = false, "make room: every task takes some ten files"
	}
	out := []finding{f}
	if _, err := os.Stat(filepath.Join(data, "records.db")); err != nil {
		return out
	}
	log := finding{Name: "record log", OK: true}
	switch found, err := bolt.Verify(data, nil); {
	case fault.KindOf(err) == fault.Conflict && err != nil:
		log.Detail = "a running centre has it"
	case err != nil:
		log.OK, log.Detail, log.Fix = false, err.Error(), "see: tianfu store verify "+data
	case !found.OK():
		log.OK, log.Detail, log.Fix = false, fmt.Sprintf("%d damages", len(found.Damage)), "see: tianfu store verify "+data
	default:
		log.Detail = fmt.Sprintf("%d records, whole", found.Whole)
	}
	return append(out, log)
}

// checkCertificate looks at the certificate that a centre would serve with.
func checkCertificate(cert, key string) []finding {
	if cert == "" && key == "" {
		return nil
	}
	f := finding{Name: "certificate"}
	pair, err := readCertificate(cert, key)
	if err != nil {
		f.Detail = err.Error()
		if wrong := (*fault.Error)(nil); errors.As(err, &wrong) { // the fix has a column of its own
			said := *wrong
			f.Fix, said.Fix = said.Fix, ""
			f.Detail = said.Error()
		}
		return []finding{f}
	}
	leaf := pair.Leaf
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			f.Detail = err.Error()
			return []finding{f}
		}
	}
	now, names := time.Now(), append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	left := leaf.NotAfter.Sub(now)
	f.OK = left > 7*24*time.Hour && !now.Before(leaf.NotBefore)
	f.Detail = fmt.Sprintf("for %s, until %s", strings.Join(names, ", "), leaf.NotAfter.UTC().Format(time.DateOnly))
	switch {
	case now.Before(leaf.NotBefore):
		f.Fix = "it holds from " + leaf.NotBefore.UTC().Format(time.RFC3339) + " on: check the clock"
	case left <= 0:
		f.Fix = "it has expired: renew it, then restart the centre"
	case left <= 30*24*time.Hour:
		f.Fix = fmt.Sprintf("it ends in %d days: renew it, then restart the centre", int(left.Hours()/24))
	case len(names) == 0:
		f.Fix = "it names no host: clients will refuse it; add subjectAltName"
	}
	out := []finding{f}
	if info, err := os.Stat(key); err == nil && info.Mode().Perm()&0o077 != 0 {
		out = append(out, finding{Name: "key file", Detail: fmt.Sprintf("%s has mode %o", key, info.Mode().Perm()), Fix: "chmod 600 " + key})
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		out = append(out, finding{Name: "key file", Detail: err.Error(), Fix: "make it readable for the centre"})
	}
	return out
}
