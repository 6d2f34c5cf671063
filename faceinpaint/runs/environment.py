"""What a result depends on besides the config: data, code, machine."""

import hashlib
import json
import os
import platform

import cv2
import keras
import numpy as np
import tensorflow as tf

from faceinpaint.celeba import Faces
from faceinpaint.system.files import without_folders
from faceinpaint.system.machine import commit, cores, processor


def identity(faces: Faces) -> str:
    """Changes when other faces, or the same ones in another order, are trained on, validated on or tested on."""
    return hashlib.sha256(json.dumps([faces.train.shape, faces.names]).encode()).hexdigest()


def of(faces: Faces) -> dict:
    """The environment of a training on `faces` by this process, under the present strategy."""
    threading, details = tf.config.threading, tf.config.experimental.get_device_details
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return {
        "data": without_folders(faces.description),
        "faces": identity(faces),
        "commit": commit(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "machine": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        "threads": [threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()],
        "gpus": [details(gpu).get("device_name", gpu.name) for gpu in tf.config.list_physical_devices("GPU")],
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        **({"replicas": replicas} if replicas > 1 else {}),
    }
