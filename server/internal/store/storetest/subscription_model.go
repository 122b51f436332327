package storetest

import (
	"math/rand/v2"
)

func testSubscriptionModel(s *shop) {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
}
