"""By how many labels lie near: the class counts of Parzen windows."""
