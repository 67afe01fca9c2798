package sensor

import (
	"context"
	"time"

	"tianfu/energy"
	"tianfu/unit"
)

// Provider tells the carbon intensity of a grid, as it was observed and as it is
// expected. Its promise: Refresh asks it unless that is too early, is bounded in
// time and in what it reads, and says whether anything new was learnt; an error
// has a kind and shows no secret; what was known before a failure stays known.
// Observed steps and forecasts never overlap: a step that was observed is no
// longer expected. Methods may be called from any goroutine.
type Provider interface {
	Refresh(ctx context.Context, now unit.Instant) (bool, error)
	// Series returns nil where there is nothing; its steps are Step long.
	Series() (observed, forecast *energy.Series)
	Step() time.Duration
	State() ProviderState
}

// ProviderState is how a provider is, for people.
type ProviderState struct {
	Provider string
	Fetched  unit.Instant // last answer; 0 = never
	Next     unit.Instant // not before this is it asked again
	Error    string
}
