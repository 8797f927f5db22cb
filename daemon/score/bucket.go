package score

// bucket is a stretch of age within which posts are compared.
type bucket uint8

const (
	buckets  = 5
	noBucket = bucket(buckets) // younger than nothing, or older than a day
)

var bucketEnds = [buckets]int64{15 * 60, 60 * 60, 3 * 60 * 60, 6 * 60 * 60, 24 * 60 * 60} // seconds, exclusive

var bucketNames = [buckets]string{"0-15m", "15-60m", "1-3h", "3-6h", "6-24h"}

var bucketWords = [buckets]string{"up to 15 min", "15–60 min", "1–3 h", "3–6 h", "6–24 h"}

// bucketOf is the bucket of an age in milliseconds.
func bucketOf(age int64) bucket {
	if age < 0 {
		return noBucket
	}
	for i, end := range bucketEnds {
		if age < end*1000 {
			return bucket(i)
		}
	}
	return noBucket
}

// bucketNamed is the bucket of a name, noBucket where there is none.
func bucketNamed(name string) bucket {
	for i, n := range bucketNames {
		if n == name {
			return bucket(i)
		}
	}
	return noBucket
}
