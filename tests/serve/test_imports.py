"""The page and the policies need no network, so neither brings PyTorch along."""

import subprocess
import sys


def test_page_and_policies_import_no_pytorch():
    code = "import sys, snnet_lightning.serve.page, snnet_lightning.serve.policy; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
