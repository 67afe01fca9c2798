package fleet

import "time"

// Deferral is how long jobs that wish to wait for a better hour and name no
// deadline may do so, by class: what their deadline leaves beyond the run time.
type Deferral struct {
	at
	Batch       time.Duration // 0 = they do not wait
	Interactive time.Duration
	Longrun     time.Duration
}

// maxAllowance bounds what a class may be allowed; control.MaxAllowance is as long.
const maxAllowance = 31 * 24 * time.Hour

// deferral checks the allowances of the classes.
func (b *builder) deferral() {
	d := &b.w.Deferral
	for _, c := range []struct {
		class string
		may   time.Duration
	}{{"batch", d.Batch}, {"interactive", d.Interactive}, {"longrun", d.Longrun}} {
		if c.may > maxAllowance {
			b.fail(d.line, "choose from 0s to 744h, such as 12h", "deferral: %s jobs may wait %v", c.class, c.may)
		}
	}
}
