package local

import (
	"os"
	"sync"

	"tianfu/fault"
	"tianfu/job"
)

// defaultUIDBase begins a range that neither distributions, nor subordinate
// ids, nor systemd give out.
const defaultUIDBase = 1_900_000_000

const maxTenants = 50_000

// uids gives every tenant a user of its own and remembers it: files that a
// tenant's tasks leave on a mount stay the tenant's.
type uids struct {
	mu   sync.Mutex
	dir  taskDir
	base int
	byT  map[job.Tenant]int
}

const fileUIDs = "uids.json"

func openUIDs(dir string, base int) *uids {
	u := &uids{dir: taskDir(dir), base: base, byT: map[job.Tenant]int{}}
	if err := u.dir.read(fileUIDs, &u.byT); err != nil && !os.IsNotExist(err) {
		u.byT = nil // damaged: refuse rather than give a uid twice
	}
	return u
}

// of returns the uid of a tenant, giving the next one to a new tenant. The
// first of the range is nobody's: it tries the sandbox.
func (u *uids) of(t job.Tenant) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byT == nil {
		return 0, fault.New(fault.Unavailable, u.dir.path(fileUIDs), "is damaged: it says which user each tenant has", "restore it from a backup, or remove it when no tenant's files have to keep their owner")
	}
	if uid, ok := u.byT[t]; ok {
		return uid, nil
	}
	if len(u.byT) >= maxTenants-1 {
		return 0, fault.New(fault.Unavailable, "tenant "+string(t), "no user is left for another tenant", "")
	}
	uid := u.base + len(u.byT) + 1
	u.byT[t] = uid
	if err := u.dir.write(fileUIDs, u.byT); err != nil {
		delete(u.byT, t)
		return 0, err
	}
	return uid, nil
}
