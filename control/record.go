package control

import (
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

// RecordKind says what a record states.
type RecordKind uint8

// The records. Numbers are persisted: never reuse one.
const (
	Opened         RecordKind = 1
	Submitted      RecordKind = 2
	Allocated      RecordKind = 3
	Evicting       RecordKind = 4
	Ended          RecordKind = 5
	JobExpired     RecordKind = 6
	JobCancelled   RecordKind = 7
	Reserved       RecordKind = 8
	NodeChanged    RecordKind = 9
	Moved          RecordKind = 10
	Released       RecordKind = 11 // a job enters the line: its dependencies are met, or its backoff is over
	OthersReserved RecordKind = 20 // what other heads hold, all of it
	Booked         RecordKind = 21 // nodes are kept for a queue in windows, told while the centre runs
	Unbooked       RecordKind = 22 // such a reservation is ended
	// SiteHoursKnown: what hours at a site cost, observed or forecast.
	SiteHoursKnown RecordKind = 12
	NodeShort      RecordKind = 13 // a node has too little disk for new work, or has it again
	Metered        RecordKind = 35 // an interval of a site is in the ledger
	EnergyRead     RecordKind = 36 // what a meter said, not in the ledger yet

	PowerTold   RecordKind = 25 // a cap is set or cleared, or what a site makes is reported
	BudgetSet   RecordKind = 26 // what an area may draw has changed
	NodePowered RecordKind = 27 // a node is held to a level, sleeps or wakes
	TaskPaused  RecordKind = 28 // a task stands still for power, or goes on
	PowerShed   RecordKind = 29 // an area drew more than it may, and what was done
	Configured  RecordKind = 40 // a changed configuration holds from here on
)

// The records of deferral.
const (
	ShiftPlanned   RecordKind = 30 // when jobs run, where, and when they pause
	DeadlineAtRisk RecordKind = 31 // a job has not started when it had to
	DeadlineMissed RecordKind = 32
)

// EvictCause says why a task was told to leave.
type EvictCause uint8

// The causes of an eviction.
const (
	CausePreempted EvictCause = iota
	CauseGang
	CauseCancel
	CauseDrain
	CauseMaintenance
	CausePower
	CausePaused    // its plan has it run again later
	CauseReclaimed // lent to its queue, and wanted back
	CauseBooked    // its node is reserved for another queue from now on
)

// CancelCause says why a job was cancelled.
type CancelCause uint8

// The causes of a cancellation.
const (
	CancelAsked      CancelCause = iota
	CancelDependency             // a job it waits for cannot complete any more
)

// Record is one fact. Which fields count depends on its kind.
type Record struct {
	Kind    RecordKind
	At      unit.Instant
	Job     job.ID
	Task    int32
	Attempt int32
	Node    int32  // rank
	Devices uint16 // set
	Share   int16  // milli of each device
	CPU     int32
	Memory  int32
	Profile int16
	End     unit.Instant // expected; Never = unknown
	Ending  Ending
	Exit    *Exit // nil when no engine told
	Cause   EvictCause
	Cancel  CancelCause
	For     job.ID // who a preemption makes room for, or which dependency failed
	Device  int32
	Health  fleet.Health
	Cordon  bool
	Drain   bool
	Short   bool // of disk
	Reason  sched.Reason
	Spec    *job.Spec
	Held    *sched.Reservation  // nil = given up
	Others  []sched.Reservation // of other heads: of other cohorts, and what queues take back
	Config  *Config
	Site    string
	Hours   []energy.SiteHour
	Page    *meter.Page
	Reading *EnergyReading

	Booked *BookingTold
	Name   string // of the reservation that is ended

	CapEvent *sched.CapEvent // Device 1 = cleared
	Solar    []SolarHour
	Budget   *Budget
	Shed     *Shed
	// Deferrals are a plan in time.
	Deferrals []sched.Deferral
}

// OrderKind says what the driver is asked to do.
type OrderKind uint8

// The orders.
const (
	Start   OrderKind = iota // begin an attempt
	Stop                     // end an attempt, with grace
	Forget                   // an attempt is lost; do not wait for it
	Shift                    // move an attempt to another node
	Suspend                  // an attempt stands still and keeps what it holds
	Resume                   // it goes on
	CapNode                  // a node is held to a level of its dynamic draw
	SleepNode
	WakeNode
)

// Order is an act requested of the outside. Job and Task are its key and
// Attempt its generation: carrying one out twice must be harmless.
type Order struct {
	Kind    OrderKind
	Job     job.ID
	Task    int32
	Attempt int32
	Node    int32 // rank
	Devices uint16
	Level   int16 // of CapNode, in thousandths; 1000 ends the cap
}
