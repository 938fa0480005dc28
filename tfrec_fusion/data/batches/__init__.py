"""Events as `tf.data` batches."""
