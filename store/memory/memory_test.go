package memory_test

import (
	"testing"

	"tianfu/store"
	"tianfu/store/memory"
)

func TestConforms(t *testing.T) {
	store.Conform(t, true, func(*testing.T) func() store.Store {
		return func() store.Store { return memory.New() }
	})
}
