"""Parts for building recommenders in Keras 3, each usable alone; importing this imports none.

Models saved as `.keras` load after `import tfrec_fusion`, whichever of their classes they need:

    import keras, tfrec_fusion
    model = keras.saving.load_model("model.keras")
"""

from tfrec_fusion.startup import prepare

__version__ = "0.1.0"

prepare()
